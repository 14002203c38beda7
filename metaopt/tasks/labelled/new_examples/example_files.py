"""The files of new images or texts in a folder, or the one that is named."""

from pathlib import Path
from typing import Any

from metaopt.errors import InputError, quoted
from metaopt.files import is_file, is_folder
from metaopt.tasks.labelled.layout import SUFFIXES, Kind, files_below


def example_files(source: Any, kind: Kind) -> dict[str, Path]:
    """Files by their names, in the order of these; in folders of a folder, too.

    Args:
        source: a folder or a file.
        kind: what they hold.

    Raises:
        InputError: there are none.
    """
    if not isinstance(source, str | Path):
        raise InputError(f"{kind.capitalize()} to predict are a file or a folder of them, got {quoted(source)}.")
    path, suffixes = Path(source), ", ".join(sorted(SUFFIXES[kind]))
    if is_folder(path):
        found = [each for each in files_below(path) if each.suffix.lower() in SUFFIXES[kind]]
        if not found:
            raise InputError(f"{quoted(path)} holds no {kind} ({suffixes}); there is nothing to predict.")
        return {each.relative_to(path).as_posix(): each for each in found}
    if not is_file(path):
        raise InputError(f"{quoted(path)} does not exist; {kind} to predict are a file or a folder of them.")
    if path.suffix.lower() not in SUFFIXES[kind]:
        raise InputError(f"{quoted(path)} holds no {kind} by its name; there are {suffixes}.")
    return {path.name: path}
