"""What a folder holds, told by its files and its `corpus.toml`."""

import pytest

import metaopt
from metaopt.tasks.kinds import folder_kind
from tests.tasks.example_folders import write_classes, write_lines

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def test_a_folder_by_class_is_a_classification_unless_it_says_episodes(tmp_path):
    write_classes(tmp_path / "shapes", "abcdefghijklmno", each=6)
    shapes = tmp_path / "shapes"
    assert folder_kind(shapes) == "images"
    assert isinstance(metaopt.load_corpus(shapes).tasks[0], metaopt.Task)
    for text in ('task = "episodes"\n[episodes]\nn_way = 2\nqueries = 2\nsize = 16\n', "[episodes]\nn_way = 2\n"):
        (shapes / "corpus.toml").write_text(text)
        assert folder_kind(shapes) == "episodes"
    (shapes / "corpus.toml").write_text('task = "episodes"\nsize = 8\n')
    with pytest.raises(metaopt.InputError, match=r"keys of a few-shot task, such as 'size', stand in the table \[epis"):
        metaopt.load_corpus(shapes)


def test_tables_come_first(tmp_path):
    write_lines(tmp_path)
    assert folder_kind(tmp_path) == "texts"
    (tmp_path / "episodes.csv").write_text("x,y\n1,2\n")
    (tmp_path / "corpus.toml").write_text("[episodes]\nnum_steps = 3\n")
    assert folder_kind(tmp_path) == "tables"
    assert folder_kind(tmp_path / "absent") == "tables"
