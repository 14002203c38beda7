"""Files that somebody names: read whole, or a fault that fits into a sentence."""

import gzip
import os

import pytest

from metaopt.errors import InputError, first_line
from metaopt.files.reading import (
    as_path,
    folders_like,
    is_file,
    is_folder,
    read_bytes,
    read_content,
    read_json,
    read_text,
)


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_text(tmp_path / "a.json") == "[1]"
    assert read_json(tmp_path / "a.json") == [1]


def test_a_compressed_text_is_the_same_text(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("größe".encode()))
    assert read_text(tmp_path / "a.csv.gz") == "größe"
    assert read_content(tmp_path / "a.csv.gz") == "größe".encode()


@pytest.mark.parametrize("cut", [3, 12, 40, -9, -1])
def test_a_truncated_compressed_file_is_a_fault(tmp_path, cut):
    content = gzip.compress(os.urandom(100))
    (tmp_path / "a.gz").write_bytes(content[:cut])
    with pytest.raises(ValueError, match=r"\w"):
        read_text(tmp_path / "a.gz")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_other_encodings_are_named(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("größe,b\n1,2\n".encode(encoding))
    with pytest.raises(ValueError, match="it is not UTF-8 text"):
        read_text(tmp_path / "a.csv")


def test_a_pipe_a_device_and_a_folder_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(OSError, match="it is a pipe or a device, not a file"):
            read_bytes(path)
    with pytest.raises(OSError, match="directory"):
        read_bytes(tmp_path)


@pytest.mark.parametrize("name", ["a" * 5_000, "a/" * 5_000, "a\0b", "\ud800"])
def test_names_that_no_file_can_have(name):
    assert not is_file(name)
    assert not is_folder(name)
    with pytest.raises(OSError):  # noqa: PT011 -- the system's own words
        read_bytes(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "it is nested too deeply"),
        ('{"a":' * 100_000, "it is nested too deeply"),
        ("1" * 5_000, "Exceeds the limit|thousands of digits"),
        ('"\\ud800"', "it holds half of a surrogate pair"),
        ('{"\\udfff": 1}', "it holds half of a surrogate pair"),
        ("[1", "Expecting"),
        ("", "Expecting value"),
    ],
)
def test_what_is_no_json_is_a_fault(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_json(tmp_path / "a.json")
    assert len(first_line(caught.value)) < 200


def test_the_folder_that_was_meant_has_a_similar_name_and_lies_in_the_same_place(tmp_path, monkeypatch):
    (tmp_path / "tables").mkdir()
    (tmp_path / "recipe").write_text("a file")
    assert folders_like(tmp_path / "tabels") == [str(tmp_path / "tables")]
    assert folders_like(tmp_path / "else") == folders_like(tmp_path / "recipes") == []
    assert folders_like(tmp_path / "nowhere" / "tables") == folders_like("\0") == folders_like("/") == []
    monkeypatch.chdir(tmp_path)
    assert folders_like("tabels/") == ["tables"]
    assert folders_like("./tabels") == ["./tables"]


def test_paths_are_text_or_paths(tmp_path):
    assert as_path(str(tmp_path), "A recipe") == as_path(tmp_path, "A recipe") == tmp_path
    with pytest.raises(InputError, match=r"^A recipe is named by text or a pathlib\.Path, got b'x'\.$"):
        as_path(b"x", "A recipe")
    with pytest.raises(InputError, match=r"^A recipe needs a name, got ' '; write \. for the current folder\.$"):
        as_path(" ", "A recipe")
