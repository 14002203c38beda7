"""The folder or file that a command writes to: found writable before anything is computed, never left half written."""

import importlib.util
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


def writable_file(path: str, what: str) -> Path:
    """A file to be written later; its folder is made where it is missing.

    Args:
        path: as the user typed it.
        what: names it in an error, such as `--plot`.

    Raises:
        InputError: it is empty, a folder, or its folder cannot be written to.
    """
    file = named(path, what)
    if file.is_dir() or not file.name:
        raise InputError(f"{what} takes a file, and {quoted(path)} is a folder; name a file in it.")
    writable(file.parent)
    return file


def plot_file(path: str, what: str = "--plot") -> Path:
    """A picture to be drawn later; errors as of `writable_file`, and where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError(f"Plots need matplotlib: pip install 'metaopt-torch[report]', or leave out {what}.")
    return writable_file(path, what)


def write_text(path: Path, text: str) -> None:
    """Replace a file by this text.

    Raises:
        MetaOptError: it cannot be written; what was there is as it was.
    """
    try:
        replace_file(path, text.encode(errors="backslashreplace"))
    except OSError as error:
        raise MetaOptError(f"{path} cannot be written: {first_line(error)}.") from error
