"""The folder that a command writes to: found writable before anything is computed, never left half written."""

import os
import tempfile
from pathlib import Path

from metaopt.errors import InputError, MetaOptError


def writable(folder: Path) -> Path:
    """The folder, made where it is missing.

    Raises:
        InputError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise InputError(
            f"--out {str(folder)!r} cannot be written: {error.strerror or error}; choose another folder."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a file beside, then move it into place.

    Raises:
        MetaOptError: it cannot be written; what was there is as it was.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise MetaOptError(f"{path} cannot be written: {error.strerror or error}.") from error
