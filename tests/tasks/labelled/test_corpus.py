"""Folders by class are corpora."""

import pytest

import metaopt
from tests.tasks.example_folders import write_classes, write_lines

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def test_each_folder_of_classes_is_a_task(tmp_path):
    write_classes(tmp_path / "first", "ab")
    write_lines(tmp_path / "second")
    corpus = metaopt.load_corpus(tmp_path)
    assert {task.name: task.family for task in corpus} == {
        "first": "image_classification",
        "second": "text_classification",
    }
    assert [task.name for task in metaopt.load_corpus(tmp_path / "first")] == ["first"]


def test_all_faults_come_in_one_message(tmp_path):
    for name in ("first", "second"):
        write_classes(tmp_path / name, "a")
    with pytest.raises(metaopt.InputError, match=r"2 folders cannot be used; metaopt show prints all of it") as caught:
        metaopt.load_corpus(tmp_path)
    assert "'second' has only the class 'a'" in str(caught.value).replace(f"{tmp_path}/", "")
