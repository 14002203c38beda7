"""Which folders are tasks, and whether those of texts are classes or tasks whose files are."""

import pytest

import metaopt
from metaopt.errors import InputError
from metaopt.tasks.labelled.folder_report import inspect_labelled_folder
from metaopt.tasks.labelled.task_folders import task_folders
from tests.tasks.example_folders import write_classes, write_image, write_lines


def test_a_folder_of_classes_is_a_task(tmp_path):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write_classes(tmp_path, "ab", each=2)
    assert task_folders(tmp_path, "images").kinds == {tmp_path: "images"}


def test_folders_of_tasks_are_a_task_each_and_may_be_of_two_kinds(tmp_path):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write_classes(tmp_path / "first", "ab", each=3)
    write_lines(tmp_path / "second")
    assert task_folders(tmp_path, "images").kinds == {tmp_path / "first": "images", tmp_path / "second": "texts"}


def test_images_of_no_class_are_refused_with_a_path(tmp_path):
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write_image(tmp_path / "flat" / "1.png")
    with pytest.raises(InputError, match=r"holds images such as '1\.png', of no class"):
        task_folders(tmp_path / "flat", "images")
    (tmp_path / "flat" / "1.png").unlink()
    write_image(tmp_path / "a" / "b" / "c" / "1.png")
    with pytest.raises(InputError, match=r"holds images such as 'a/b/c/1\.png', of no class: put those of each class"):
        task_folders(tmp_path, "images")


def test_folders_of_texts_that_could_be_no_classes_are_tasks_and_that_is_said(tmp_path):
    write_lines(tmp_path / "first")
    corpus = metaopt.load_corpus(tmp_path)
    assert [task.name for task in corpus] == ["first"]
    assert len(corpus.tasks[0].splits.train) == 24  # each line is a text
    assert corpus.notes[0] == (
        f"note: '{tmp_path}' is read so: each folder as a task, each line as a text of the class that its file names. "
        "To read each file as one text of the class that its folder names, write layout = 'CLASS/TEXT.txt' at the top "
        "of corpus.toml."
    )
    write_lines(tmp_path / "second")  # of two files each, which as classes would be too few
    assert [task.name for task in metaopt.load_corpus(tmp_path)] == ["first", "second"]
    (tmp_path / "corpus.toml").write_text("layout = 'CLASS/TEXT.txt'\n")
    with pytest.raises(InputError, match=r"has no class with 3 or more texts to train on, but first \(2\), second"):
        metaopt.load_corpus(tmp_path)


def test_folders_of_texts_that_could_be_both_are_classes_and_the_other_can_be_asked_for(tmp_path):
    for task in ("first", "second"):
        write_lines(tmp_path / task)
        (tmp_path / task / "dutch.txt").write_text("de kat zat op de mat\nde hond liep\nde kat liep\n")
    report = inspect_labelled_folder(tmp_path, "texts")
    assert "has no two training texts" in report.tables[0].refusals[0]
    (note,) = report.notes
    with pytest.raises(InputError) as caught:
        metaopt.load_corpus(tmp_path)
    assert str(caught.value).endswith(note)
    write_lines(tmp_path / "first", each=3)  # which have letters in common
    write_lines(tmp_path / "second", each=3)
    assert inspect_labelled_folder(tmp_path, "texts").tables[0].facts["target"] == "folders"
    assert "is read so: each file as one text of the class that its folder names. To read each folder as" in note
    (tmp_path / "corpus.toml").write_text("layout = 'TASK/CLASS.txt'\n\n[defaults]\nnum_steps = 30\n")
    assert [(task.name, task.num_steps) for task in metaopt.load_corpus(tmp_path)] == [("first", 30), ("second", 30)]
    assert inspect_labelled_folder(tmp_path, "texts").notes == ()


def test_what_is_pasted_keeps_the_layout(tmp_path):
    for task in ("first", "second"):
        write_lines(tmp_path / task)
    (tmp_path / "second" / "rare.txt").write_text("one line\n")
    (tmp_path / "corpus.toml").write_text("layout = 'TASK/CLASS.txt'\n")
    report = inspect_labelled_folder(tmp_path, "texts")
    assert report.toml == 'layout = "TASK/CLASS.txt"\n\n[second]\ndrop_files = ["rare_class"]\n'
    (tmp_path / "corpus.toml").write_text(report.toml)
    assert len(metaopt.load_corpus(tmp_path)) == 2


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["0.txt", "1.txt", "2.txt"], id="numbered files are texts"),
        pytest.param([f"{chr(97 + n // 26)}{chr(97 + n % 26)}.txt" for n in range(40)], id="so are many"),
    ],
)
def test_files_that_do_not_look_like_classes_are_texts_and_nothing_is_said(tmp_path, names):
    for place, folder in enumerate(("good", "bad")):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(f"{folder} day\n{name} {place}\nand more\n")
    found = task_folders(tmp_path, "texts")
    assert (found.kinds, found.note) == ({tmp_path: "texts"}, "")


def test_a_layout_that_is_none_is_refused(tmp_path):
    write_lines(tmp_path / "first")
    (tmp_path / "corpus.toml").write_text("layout = 'lines'\n")
    with pytest.raises(InputError, match=r"layout must be 'CLASS/TEXT.txt' or 'TASK/CLASS.txt', of texts, got 'lines'"):
        metaopt.load_corpus(tmp_path)
