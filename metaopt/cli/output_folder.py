"""The folder that a command writes to: found writable before anything is computed, never left half written."""

import tempfile
from pathlib import Path

from metaopt.errors import InputError, MetaOptError, quoted
from metaopt.file_reading import reason
from metaopt.file_writing import replace_file


def writable(folder: Path) -> Path:
    """The folder, made where it is missing.

    Raises:
        InputError: it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, ValueError) as error:  # a name that no folder can have
        raise InputError(
            f"--out {quoted(folder)} cannot be written: {reason(error)}; choose another folder."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Replace a file by this text.

    Raises:
        MetaOptError: it cannot be written; what was there is as it was.
    """
    try:
        replace_file(path, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise MetaOptError(f"{path} cannot be written: {reason(error)}.") from error
