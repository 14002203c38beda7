"""Paths say the same on every machine."""

import os
import tempfile
from pathlib import Path

import pytest

from metaopt.contracts.fingerprints.paths import portable


@pytest.fixture(autouse=True)
def _home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")


@pytest.mark.parametrize(
    ("text", "root", "shown"),
    [
        ("/code/project/data.csv", "/code/project", "./data.csv"),
        ("/code/project", "/code/project", "."),
        ("/code/projects/data.csv", "/code/project", "/code/projects/data.csv"),
        ("/home/somebody/data.csv", "/code/project", "~/data.csv"),
        ("/home/somebody/code/data.csv", "/home/somebody/code", "./data.csv"),
        ("/home/somebody", None, "~"),
        ("/srv/data.csv", "/", "/srv/data.csv"),
        ("data.csv", "/code/project", "data.csv"),
        ("/code/project/a\nsecond line", "/code/project", "/code/project/a\nsecond line"),
    ],
)
def test_folders_that_differ_from_machine_to_machine_are_left_out(text, root, shown):
    assert portable(text, root) == shown


def test_the_folder_of_temporary_files_has_one_name():
    path = Path(tempfile.gettempdir()) / "file.csv"
    assert portable(str(path), None) == f"<temporary>{os.sep}file.csv"
