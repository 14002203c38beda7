"""Tables of image files and labels are classified by their images."""

import pandas as pd
import pytest
import torch

import metaopt
from metaopt.tasks.tables.image_table import image_columns
from metaopt.tasks.tables.settings import TableSettings
from tests.tasks.example_folders import write_image

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.fixture
def folder(tmp_path):
    """Thirty images in a folder of their own, two classes, and a table beside it."""
    rows = ["file;age;kind"]
    for row in range(30):
        write_image(tmp_path / "photos" / f"{row}.png", row, (9, 7))
        rows.append(f"photos/{row}.png;{row % 7};{'cat' if row % 2 else 'dog'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def add(folder, *lines):
    with (folder / "labels.csv").open("a") as file:
        print(*lines, sep="\n", file=file)


def told(folder, **settings):
    text = "\n".join(f"{key} = {value}" for key, value in settings.items())
    (folder / "corpus.toml").write_text(f"[labels]\n{text}\n")


def test_images_are_the_input_and_the_last_column_the_label(folder):
    corpus = metaopt.load_corpus(folder)
    (task,) = corpus
    assert (task.name, task.family) == ("labels", "image_classification")
    assert tuple(task.splits.train.inputs.shape) == (18, 1, 7, 9)
    assert task.splits.source.target.names == ("cat", "dog")
    assert task.at(1000).splits.test.inputs.equal(task.splits.test.inputs)
    assert corpus.notes[0] == (
        f"warning: {folder / 'labels.csv'}: images are the only input, and other columns are none: age. Write drop = "
        "['file'] in corpus.toml to train on these instead, or image = 'file' to be told no more."
    )
    told(folder, image="'file'")
    assert not any("only input" in note for note in metaopt.load_corpus(folder).notes)


def test_they_are_the_same_inputs_as_by_class_in_folders(folder, tmp_path):
    """One preprocessing: whatever says the class, a training image becomes the same pixels."""
    for row in range(30):
        write_image(folder / "by_class" / ("cat" if row % 2 else "dog") / f"{row}.png", row, (9, 7))
    by_table, by_class = (metaopt.load_corpus(each).tasks[0] for each in (folder, folder / "by_class"))
    ours, theirs = ({image.numpy().tobytes() for image in task.splits.source.contents} for task in (by_table, by_class))
    assert ours == theirs


def test_settings_of_images_hold(folder):
    told(folder, size="[4, 6]", channels=3, augment='["flip"]', num_steps=30, metric='"accuracy"')
    (task,) = metaopt.load_corpus(folder)
    assert tuple(task.splits.train.inputs.shape) == (18, 3, 4, 6)
    assert (task.num_steps, task.mode) == (30, "max")
    assert task.augment is not None
    told(folder, size='"large"')
    with pytest.raises(metaopt.InputError, match=r"size must be pixels each way, or \[height, width\]"):
        metaopt.load_corpus(folder)


def test_files_that_are_not_there_or_damaged_are_refused_and_can_be_left_out(folder):
    (folder / "photos" / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(metaopt.InputError, match=r"1 of 30 rows have no image .* \(it is no image that Pillow knows\)"):
        metaopt.load_corpus(folder)
    add(folder, "photos/99.png;3;cat", ";3;cat")
    with pytest.raises(metaopt.InputError, match=r"3 of 32 rows .* such as 'photos/99.png', which is not in") as caught:
        metaopt.load_corpus(folder)
    assert caught.value.refusals[0].settings == {"drop_rows": ["no_image"]}
    told(folder, drop_rows='["no_image"]')
    (task,) = metaopt.load_corpus(folder)
    assert sum(len(part) for part in (task.splits.train, task.splits.validation, task.splits.test)) == 29


def test_groups_and_classes_are_those_of_tables(folder):
    told(folder, group="'age'")
    (task,) = metaopt.load_corpus(folder)
    assert task.redraw is None
    add(folder, "photos/1.png;3;rare")
    told(folder)
    with pytest.raises(metaopt.InputError, match="class 'rare' has 1 rows"):
        metaopt.load_corpus(folder)


def test_numbers_are_no_classes(folder):
    told(folder, target="'age'", task='"regression"')
    with pytest.raises(metaopt.InputError, match="'age' holds numbers, and images are classified"):
        metaopt.load_corpus(folder)


def test_names_of_which_no_file_is_there_are_refused(tmp_path):
    rows = "".join(f"photos/{row}.{'JPG' if row % 3 else 'png'},{'cat' if row % 2 else 'dog'}\n" for row in range(20))
    (tmp_path / "labels.csv").write_text(f"file,label\n{rows}")
    with pytest.raises(metaopt.InputError) as error:
        metaopt.load_corpus(tmp_path)
    assert "'file' names image files such as 'photos/0.png', of which none is in" in str(error.value)
    assert "or into folders that are named after their classes" in str(error.value)
    told(tmp_path, image="'file'")
    with pytest.raises(
        metaopt.InputError, match=r"20 of 20 rows have no image .*; put the files there, or name another"
    ):
        metaopt.load_corpus(tmp_path)


@pytest.mark.parametrize("settings", [{"drop": ("file",)}, {"hash": ("file",)}, {"categories": ("file",)}])
def test_a_column_that_is_said_to_be_something_else_is_no_column_of_images(folder, settings):
    frame = pd.read_csv(folder / "labels.csv", sep=";", dtype=object)
    where = str(folder / "labels.csv")
    assert image_columns(frame, TableSettings(**settings), where) is None
    assert image_columns(frame, TableSettings(), where) is not None


def test_new_images_are_predicted_by_a_table_a_folder_or_a_file(folder):
    told(folder, num_steps=20)
    predictor = metaopt.fit("default", folder)
    (folder / "photos" / "new.csv").write_text("who,file\nx,3.png\ny,4.png\n")
    shares = predictor.predict_proba(folder / "photos" / "new.csv")
    assert torch.tensor(shares[0]).allclose(torch.tensor(predictor.predict_proba(folder / "photos" / "3.png")[0]))
    assert list(predictor.table(folder / "photos" / "new.csv")["who"]) == ["x", "y"]
    predictor.save(folder / "kept")
    again = metaopt.load_predictor(folder / "kept")
    assert (again.predict_proba(folder / "photos" / "new.csv") == shares).all()
    (folder / "photos" / "new.csv").write_text("file\n3.png\ngone.png\n")
    with pytest.raises(metaopt.InputError, match=r"row 2 names 'gone\.png', which is no image in"):
        predictor.predict(folder / "photos" / "new.csv")
    with pytest.raises(
        metaopt.InputError, match=r"The data frame lacks the column 'file' of image files; it has other"
    ):
        predictor.predict(pd.DataFrame({"other": [1]}))
