"""The folder that a command writes to is found writable before anything is computed."""

import pytest

from metaopt import InputError
from metaopt.cli.output_folder import named, plot_file, writable, writable_file, write_text
from metaopt.errors import MetaOptError


def test_an_empty_path_does_not_mean_the_current_folder():
    assert str(named("a/b", "--out")) == "a/b"
    for path in ("", "  "):
        with pytest.raises(InputError, match=r"--report is empty; write . for the current folder"):
            named(path, "--report")


def test_a_missing_folder_is_made_and_stays_empty(tmp_path):
    folder = writable(str(tmp_path / "a" / "b"))
    assert folder == tmp_path / "a" / "b"
    assert list(folder.iterdir()) == []


def test_a_url_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="a database's URL is given with --storage") as refused:
        writable("postgresql://me:secret@host/db")
    assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below", "null\0"])
def test_what_cannot_be_a_folder_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(InputError, match=r"cannot be written: .*; choose another folder"):
        writable(tmp_path / name)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_text_replaces_the_file(tmp_path):
    path = tmp_path / "page.txt"
    path.write_text("a much longer text that was there before")
    write_text(path, "Grüße \udcff")
    assert path.read_bytes() == "Grüße \\udcff".encode()


def test_a_text_that_cannot_be_written_leaves_what_was_there(tmp_path):
    folder = tmp_path / "page.txt"
    folder.mkdir()
    with pytest.raises(MetaOptError, match=r"page\.txt cannot be written"):
        write_text(folder, "text")
    assert folder.is_dir()


def test_a_folder_is_no_file(tmp_path):
    assert writable_file(str(tmp_path / "new" / "a.csv"), "--out") == tmp_path / "new" / "a.csv"
    assert (tmp_path / "new").is_dir()
    for path in (".", str(tmp_path), "/"):
        with pytest.raises(InputError, match=r"--out takes a file, and .* is a folder; name a file in it"):
            writable_file(path, "--out")
        with pytest.raises(InputError, match="--plot takes a file"):
            plot_file(path)
