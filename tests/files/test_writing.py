"""Files are replaced whole, under names that nobody can plant, one writer at a time."""

import os
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from metaopt.files.writing import replace_file

pytestmark = pytest.mark.thorough


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_made_and_replaced(tmp_path):
    for content in (b"old", b"new"):
        replace_file(tmp_path / "a.txt", content)
        assert (tmp_path / "a.txt").read_bytes() == content
    assert names(tmp_path) == ["a.txt"]


def test_the_file_is_as_readable_as_any_other(tmp_path):
    replace_file(tmp_path / "a.txt", b"")
    (tmp_path / "b.txt").write_bytes(b"")
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "a.txt").symlink_to(tmp_path / "precious")
    replace_file(tmp_path / "a.txt", b"new")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "a.txt").is_symlink()


def test_a_planted_temporary_name_is_not_written_through(tmp_path):
    (tmp_path / "precious").write_text("precious")
    planted = tmp_path / f".metaopt-{'0' * 16}.tmp"
    planted.symlink_to(tmp_path / "precious")
    replace_file(tmp_path / "a.txt", b"new")
    assert (tmp_path / "precious").read_text() == "precious"
    assert names(tmp_path) == ["a.txt", "precious"]


def test_a_link_planted_while_one_writes_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "precious").write_text("precious")
    planted = tmp_path / f".metaopt-{'0' * 16}.tmp"

    def plant(size):
        planted.symlink_to(tmp_path / "precious")
        return "0" * 2 * size

    monkeypatch.setattr(secrets, "token_hex", plant)
    with pytest.raises(FileExistsError):
        replace_file(tmp_path / "a.txt", b"new")
    assert (tmp_path / "precious").read_text() == "precious"
    assert planted.is_symlink()


KILLED = """
import os, sys
from pathlib import Path
from metaopt.files import replace_file
os.replace = lambda *_: os.kill(os.getpid(), 9)
replace_file(Path(sys.argv[1]), b"new")
"""


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path):
    replace_file(tmp_path / "a.txt", b"old")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.txt")], check=False)
    assert len(names(tmp_path)) == 2
    assert (tmp_path / "a.txt").read_bytes() == b"old"
    replace_file(tmp_path / "b.txt", b"")
    assert names(tmp_path) == ["a.txt", "b.txt"]


def test_many_writers_leave_the_file_of_one_of_them(tmp_path):
    contents = [bytes([number]) * 100_000 for number in range(32)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: replace_file(tmp_path / "a.bin", content), contents))
    assert (tmp_path / "a.bin").read_bytes() in contents
    assert names(tmp_path) == ["a.bin"]


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "a", b"new")
    assert names(tmp_path) == ["a"]
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "missing" / "b", b"new")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_says_so(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        replace_file(tmp_path / "a", b"new")
