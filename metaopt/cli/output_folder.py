"""The folder that a command writes to: found writable before anything is computed, never left half written."""

import tempfile
from pathlib import Path

from metaopt.errors import InputError, MetaOptError, first_line, quoted
from metaopt.files import replace_file


def named(path: str, what: str) -> Path:
    """A path as the user typed it.

    Args:
        path: as it was typed.
        what: names it in an error, such as `--out`.

    Raises:
        InputError: it is empty, which would mean the current folder.
    """
    if not path.strip():
        raise InputError(f"{what} is empty; write . for the current folder.")
    return Path(path)


def writable(folder: str | Path) -> Path:
    """The folder, made where it is missing.

    Raises:
        InputError: it is empty, the URL of a database, or cannot be made or written to.
    """
    if isinstance(folder, str) and "://" in folder:
        raise InputError("--out takes a folder; a database's URL is given with --storage.")
    folder = named(folder, "--out") if isinstance(folder, str) else folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, ValueError) as error:  # a name that no folder can have
        raise InputError(
            f"--out {quoted(folder)} cannot be written: {first_line(error)}; choose another folder."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Replace a file by this text.

    Raises:
        MetaOptError: it cannot be written; what was there is as it was.
    """
    try:
        replace_file(path, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise MetaOptError(f"{path} cannot be written: {first_line(error)}.") from error
