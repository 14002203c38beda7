"""Files that somebody names, read so that every fault is an OSError or a ValueError whose text fits into a sentence."""

import difflib
import errno
import gzip
import io
import json
import os
import stat
import zlib
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from metaopt.errors import InputError, quoted

AnyPath: TypeAlias = str | os.PathLike[str]

#: Most entries of a folder that are looked at for a message.
_MOST_BESIDE = 1000


def as_path(value: object, what: str) -> Path:
    """The path that somebody gave.

    Args:
        value: text or an `os.PathLike`; whatever else, bytes too, is refused, and so is empty text.
        what: is looked for or written there, the beginning of the message.

    Raises:
        InputError: it is neither, or empty.
    """
    place = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(place, str):
        raise InputError(f"{what} is named by text or a pathlib.Path, got {quoted(value)}.")
    if not place.strip():
        raise InputError(f"{what} needs a name, got {quoted(value)}; write . for the current folder.")
    return Path(place)


def is_file(path: AnyPath) -> bool:
    """Whether there is such a file; False for names that no file can have, too."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # longer than the system allows
        return False


def is_folder(path: AnyPath) -> bool:
    """Whether there is such a folder; False for names that no folder can have, too."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def folders_like(path: AnyPath) -> list[str]:
    """The folder that may have been meant where there is none at `path`, written as that is; empty where none is close.

    It is one that lies where `path` would, and whose name is similar.
    """
    place = os.fspath(path).rstrip("/\\")
    name = Path(place).name
    before = place[: len(place) - len(name)]
    try:
        with os.scandir(before or ".") as entries:
            names = sorted(entry.name for entry in islice(entries, _MOST_BESIDE) if entry.is_dir())
    except (OSError, ValueError):
        return []
    return [before + close for close in difflib.get_close_matches(name, names, n=1)]


def is_utf8(text: str) -> bool:
    """Whether UTF-8 has the text: not where it holds half of a surrogate pair, as names of files may."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_bytes(path: AnyPath) -> bytes:
    """The content of a file; of nothing else, for a pipe may never end and a device never does.

    Raises:
        OSError: it is not there, no file, or cannot be read.
    """
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to returns
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a null byte, half a character
        raise OSError(errno.EINVAL, "no file can have this name") from error
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
        return file.read()


def read_content(path: AnyPath) -> bytes:
    """The content of a file; `.gz` is decompressed.

    Raises:
        OSError: it is not there, no file, or cannot be read.
        ValueError: it is damaged.
    """
    content = read_bytes(path)
    return _decompressed(content) if os.fspath(path).lower().endswith(".gz") else content


def read_text(path: AnyPath) -> str:
    """The text of a UTF-8 file, without a byte order mark; `.gz` is decompressed.

    Raises:
        OSError: it is not there, no file, or cannot be read.
        ValueError: it is not UTF-8 text, or damaged.
    """
    content = read_content(path)
    if b"\0" in content[:4096]:
        raise ValueError("it is not UTF-8 text (it holds null bytes, as UTF-16 does); save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error


def read_json(path: AnyPath) -> Any:
    """The document in a JSON file.

    Raises:
        OSError: it is not there, no file, or cannot be read.
        ValueError: it is not JSON, nested too deeply, or holds half characters or numbers of thousands of digits.
    """
    try:
        document = json.loads(read_text(path))
        # half of a surrogate pair, which JSON can write and no file or terminal can take
        json.dumps(document, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except UnicodeEncodeError as error:
        half = quoted(error.object[error.start : error.end])
        raise ValueError(f"it holds half of a surrogate pair, {half}") from error
    return document


def _decompressed(content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            return file.read()
    except EOFError as error:
        raise ValueError("it ends too early, as a file does whose copying was broken off") from error
    except (OSError, zlib.error) as error:
        raise ValueError(str(error)) from error
