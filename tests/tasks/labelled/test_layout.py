"""Which folders are tasks, which files are of which class."""

import pytest

import metaopt
from metaopt.errors import InputError
from metaopt.tasks.labelled.layout import example_in, found_in, has_examples, is_task, kind_of
from tests.tasks.example_folders import write_classes, write_image, write_lines

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def test_folders_of_classes_are_one_task(tmp_path):
    write_classes(tmp_path, "ab", each=2)
    (tmp_path / "a" / "notes.md").write_text("notes")
    (tmp_path / ".cache").mkdir()
    assert kind_of(tmp_path) == "images"
    assert is_task(tmp_path, "images")
    found = found_in(tmp_path, "images")
    assert {key: len(files) for key, files in found.classes.items()} == {(None, "a"): 2, (None, "b"): 2}
    assert [path.name for path in found.left_out] == ["notes.md"]


def test_parts_are_the_owners(tmp_path):
    for part in ("Train", "val"):
        write_classes(tmp_path / part, "ab", each=1)
    found = found_in(tmp_path, "images")
    assert set(found.classes) == {("train", "a"), ("train", "b"), ("validation", "a"), ("validation", "b")}
    write_classes(tmp_path / "dev", "ab", each=1)
    with pytest.raises(InputError, match="are both the validation part; join them"):
        found_in(tmp_path, "images")


def test_files_of_lines_are_classes_and_notes_are_not(tmp_path):
    write_lines(tmp_path)
    (tmp_path / "README.txt").write_text("About these files.")
    assert kind_of(tmp_path) == "texts"
    found = found_in(tmp_path, "texts")
    assert found.are_lines
    assert [name for _, name in found.classes] == ["english", "german"]


def test_parts_may_hold_files_of_lines(tmp_path):
    for part, each in (("train", 20), ("test", 5)):
        write_lines(tmp_path / part, each)
    found = found_in(tmp_path, "texts")
    assert found.are_lines
    assert set(found.classes) == {(part, name) for part in ("train", "test") for name in ("english", "german")}
    (task,) = metaopt.load_corpus(tmp_path)
    assert (len(task.splits.train), len(task.splits.validation), len(task.splits.test)) == (32, 8, 10)


def test_a_folder_of_neither_is_none(tmp_path):
    (tmp_path / "one.txt").write_text("A single text is no corpus.")
    assert kind_of(tmp_path) is None


def test_images_of_no_class_are_found(tmp_path):
    write_image(tmp_path / "flat" / "1.png")
    assert kind_of(tmp_path / "flat") == "images"
    assert example_in(tmp_path, "images") == tmp_path / "flat" / "1.png"
    assert not is_task(tmp_path / "flat", "images")
    assert is_task(tmp_path, "images")
    assert not has_examples(tmp_path, "images")
    assert has_examples(tmp_path, "images", deep=True)


def test_what_lies_deeper_or_beside_is_told_apart(tmp_path):
    write_classes(tmp_path, "ab", each=2)
    write_image(tmp_path / "a" / "more" / "1.png")
    write_image(tmp_path / "stray.png")
    (tmp_path / "empty").mkdir()
    found = found_in(tmp_path, "images")
    assert (found.nested, found.stray, found.empty) == (
        [tmp_path / "a" / "more"],
        [tmp_path / "stray.png"],
        [tmp_path / "empty"],
    )
