"""Models of images and texts by class: fitted, kept, loaded, put to use."""

import numpy as np
import pandas as pd
import pytest

import metaopt
from tests.tasks.example_folders import write_classes, write_lines


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts") / "languages"
    write_lines(folder)
    (folder / "corpus.toml").write_text("num_steps = 40\n")
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Zeros and ones by hand, in PNG files."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    from sklearn.datasets import load_digits

    folder, known = tmp_path_factory.mktemp("images"), load_digits(n_class=2)
    for place, (pixels, label) in enumerate(zip(known.images[:150], known.target, strict=False)):
        path = folder / ("train" if place < 120 else "new") / f"{label}" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray((pixels * 15.9).astype(np.uint8)).save(path)
    (folder / "train" / "corpus.toml").write_text('num_steps = 40\naugment = ["shift"]\nmetric = "accuracy"\n')
    return folder


def test_images_of_a_folder_are_predicted_by_their_names(digits):
    sentences = []
    predictor = metaopt.fit("default", digits / "train", announce=sentences.append)
    table = predictor.table(digits / "new")
    assert np.mean(table["predicted class"] == table["file"].str[0]) > 0.9
    assert predictor.record.num_rows == 120
    assert sentences[-1].startswith("trained again on all 120 images for ")
    assert predictor.predict(digits / "new" / table["file"][0])[0] == table["predicted class"][0]


def test_augmentation_changes_what_is_trained_on(digits, tmp_path):
    (task,) = metaopt.load_corpus(digits / "train")
    plain = metaopt.Task(**{**vars(task), "augment": None})
    with_shifts, without = (metaopt.fit("default", each, num_steps=20) for each in (task, plain))
    assert not np.allclose(with_shifts.predict_proba(digits / "new"), without.predict_proba(digits / "new"))


def test_texts_are_predicted_from_frames_and_files(lines, tmp_path):
    predictor = metaopt.fit("default", lines)
    assert predictor.classes == ("english", "german")
    frame = pd.DataFrame({"text": ["that mat sat on the cat", "die katze lief auf der hund"]})
    assert predictor.predict(frame).tolist() == ["english", "german"]
    predictor.save(tmp_path / "kept")
    np.testing.assert_array_equal(
        metaopt.load_predictor(tmp_path / "kept").predict_proba(frame), predictor.predict_proba(frame)
    )


def test_images_go_through_a_folder(digits, tmp_path):
    predictor = metaopt.fit("default", digits / "train", num_steps=20)
    predictor.save(tmp_path)
    again = metaopt.load_predictor(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(digits / "new"), predictor.predict_proba(digits / "new"))


def test_a_damaged_document_is_one_sentence(lines, tmp_path):
    metaopt.fit("default", lines, num_steps=20).save(tmp_path)
    document = (tmp_path / "predictor.json").read_text()
    (tmp_path / "predictor.json").write_text(document.replace('"vocabulary"', '"words"'))
    with pytest.raises(metaopt.InputError, match="is damaged"):
        metaopt.load_predictor(tmp_path)


def test_ones_own_parts_are_divided_once(tmp_path):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write_classes(tmp_path / "train", "ab", each=10)
    write_classes(tmp_path / "val", "ab", each=4, first=100)
    (tmp_path / "corpus.toml").write_text("num_steps = 20\n")
    predictor = metaopt.fit("default", tmp_path, all_rows=False)
    assert predictor.record.num_rows == 16
    assert metaopt.fit("default", tmp_path).record.num_rows == 28
