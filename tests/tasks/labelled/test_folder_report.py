"""What is pasted trains, for one task and for several."""

import pytest

import metaopt
from metaopt.tasks.labelled.folder_report import inspect_labelled_folder
from tests.tasks.example_folders import write_classes, write_image

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def test_what_is_pasted_trains(tmp_path):
    write_classes(tmp_path, "ab")
    write_image(tmp_path / "rare" / "0.png")
    (tmp_path / "a" / "bad.png").write_bytes(b"nothing")
    (tmp_path / "corpus.toml").write_text("num_steps = 30\n")
    report = inspect_labelled_folder(tmp_path, "images")
    assert len(report.tables[0].refusals) == 2
    assert report.toml == 'num_steps = 30\ndrop_files = ["broken", "rare_class"]\n'
    (tmp_path / "corpus.toml").write_text(report.toml)
    (task,) = metaopt.load_corpus(tmp_path)
    assert task.num_steps == 30
    assert inspect_labelled_folder(tmp_path, "images").toml == ""


def test_several_tasks_have_a_table_each(tmp_path):
    for name in ("first", "second"):
        write_classes(tmp_path / name, "ab")
    write_image(tmp_path / "second" / "rare" / "0.png")
    report = inspect_labelled_folder(tmp_path, "images")
    assert report.toml == '[second]\ndrop_files = ["rare_class"]\n'
    (tmp_path / "corpus.toml").write_text(report.toml)
    assert len(metaopt.load_corpus(tmp_path)) == 2
