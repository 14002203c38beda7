"""Recipes written to the disk, so that nothing is ever half there."""

import contextlib
import os
from pathlib import Path

from metaopt.errors import RecipeError

DOCUMENT = "recipe.json"
WEIGHTS = "theta.safetensors"


def save_files(text: str, theta_bytes: bytes, folder: Path) -> None:
    """Write a recipe's files beside, flush them to the disk, then move them into place, the document last.

    Args:
        text: the document.
        theta_bytes: the weights; empty where there are none.
        folder: made where it is missing.

    Raises:
        RecipeError: it cannot be written; what was there is as it was.
    """
    contents = {WEIGHTS: theta_bytes, DOCUMENT: text.encode()}
    written: dict[str, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            if content:
                written[name] = _write_beside(folder, name, content)
        for name, temporary in written.items():
            os.replace(temporary, folder / name)
        if WEIGHTS not in written:
            (folder / WEIGHTS).unlink(missing_ok=True)
        _flush(folder)
    except OSError as error:
        for temporary in written.values():
            temporary.unlink(missing_ok=True)
        before = "; the recipe that was there is unchanged" if (folder / DOCUMENT).exists() else ""
        raise RecipeError(
            f"The recipe could not be written to {str(folder)!r}: {error.strerror or error}{before}. "
            "Make room there or choose another folder."
        ) from error


def _write_beside(folder: Path, name: str, content: bytes) -> Path:
    temporary = folder / f".{name}.{os.getpid()}.tmp"
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _flush(folder: Path) -> None:
    """Make the new names last through a power cut, where the system lets one open a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
