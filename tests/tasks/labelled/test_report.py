"""What one folder by class becomes."""

import json

import pytest

from metaopt.tasks.labelled.report import report_of_folder
from metaopt.tasks.labelled.settings import LabelledSettings
from tests.tasks.example_folders import write_classes, write_lines

pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def test_images_are_counted_and_doubles_are_told(tmp_path):
    write_classes(tmp_path, "a", each=10)
    write_classes(tmp_path, "b", each=10)  # the same pictures under another name
    report = report_of_folder(tmp_path, "images", LabelledSettings(augment=("flip",)))
    assert report.columns == {"images": "8×8, grey", "folders": "target"}
    assert report.facts["classes"] == {"a": 10, "b": 10}
    assert report.facts["inputs"] == "images of 1×8×8, changed by flip while training"
    assert report.hints[0].startswith("warning: images that are training images too: ")
    assert json.dumps(report.facts)


def test_texts_are_described_by_their_tokens(tmp_path):
    write_lines(tmp_path)
    report = report_of_folder(tmp_path, "texts", LabelledSettings(tokens="words"))
    assert report.columns == {"texts": "a text a line", "files": "target"}
    assert "6 words, " in report.facts["inputs"]


def test_what_nothing_helps_is_said(tmp_path):
    write_classes(tmp_path, "a")
    report = report_of_folder(tmp_path, "images", LabelledSettings())
    assert not report.trains
    assert "has only the class 'a'" in report.refusals[0]
