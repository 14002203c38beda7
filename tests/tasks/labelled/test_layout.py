"""Which folders are tasks, which files are of which class."""

import pytest

from metaopt.errors import InputError
from metaopt.tasks.labelled.layout import found_in, kind_of, task_folders
from tests.tasks.example_folders import write_classes, write_image, write_lines

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def test_folders_of_classes_are_one_task(tmp_path):
    write_classes(tmp_path, "ab", each=2)
    (tmp_path / "a" / "notes.md").write_text("notes")
    (tmp_path / ".cache").mkdir()
    assert kind_of(tmp_path) == "images"
    assert task_folders(tmp_path, "images") == {tmp_path: "images"}
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


def test_folders_of_tasks_are_a_task_each_and_may_be_of_two_kinds(tmp_path):
    write_classes(tmp_path / "first", "ab", each=3)
    write_lines(tmp_path / "second")
    assert task_folders(tmp_path, "images") == {tmp_path / "first": "images", tmp_path / "second": "texts"}


def test_files_of_lines_are_classes_and_notes_are_not(tmp_path):
    write_lines(tmp_path)
    (tmp_path / "README.txt").write_text("About these files.")
    assert kind_of(tmp_path) == "texts"
    found = found_in(tmp_path, "texts")
    assert found.are_lines
    assert [name for _, name in found.classes] == ["english", "german"]


def test_a_folder_of_neither_is_none(tmp_path):
    (tmp_path / "one.txt").write_text("A single text is no corpus.")
    assert kind_of(tmp_path) is None


def test_images_of_no_class_are_refused_with_a_path(tmp_path):
    write_image(tmp_path / "flat" / "1.png")
    assert kind_of(tmp_path / "flat") == "images"
    with pytest.raises(InputError, match=r"holds images such as '1\.png', of no class"):
        task_folders(tmp_path / "flat", "images")
    (tmp_path / "flat" / "1.png").unlink()
    write_image(tmp_path / "a" / "b" / "c" / "1.png")
    with pytest.raises(InputError, match=r"holds images such as 'a/b/c/1\.png', of no class: put those of each class"):
        task_folders(tmp_path, "images")


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
