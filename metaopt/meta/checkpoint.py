"""Meta-training on disk: written beside and moved into place, so that a kill at any moment leaves a whole file."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from metaopt.errors import InputError, StorageError, first_line
from metaopt.files import read_bytes, replace_file

FILE = "checkpoint.pt"


def write(folder: Path, document: Mapping[str, Any]) -> None:
    """Replace the folder's checkpoint.

    Raises:
        StorageError: it cannot be written.
    """
    content = io.BytesIO()
    torch.save(dict(document), content)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / FILE, content.getvalue())
    except OSError as error:
        raise StorageError(f"The checkpoint {folder / FILE} cannot be written: {first_line(error)}.") from error


def read(folder: Path, identity: str) -> dict[str, Any] | None:
    """The folder's checkpoint, or None where there is none.

    Args:
        folder: where it is.
        identity: of the meta-training that wants to go on.

    Raises:
        InputError: it is that of another meta-training.
        StorageError: it cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        document: dict[str, Any] = torch.load(io.BytesIO(read_bytes(path)), weights_only=True, map_location="cpu")
        written_by = document["identity"]
    except Exception as error:  # torch and pickle raise whatever they like at corrupt files
        raise StorageError(
            f"{path} is no checkpoint of a meta-training: {first_line(error):.120}; delete it to begin anew."
        ) from error
    if written_by != identity:
        raise InputError(
            f"{path} is the checkpoint of another meta-training (plugin, tasks, hyperparameters or seed differ); "
            "choose another folder, or delete it to begin anew."
        )
    return document


def has_checkpoint(folder: Path | None) -> bool:
    """Whether a folder holds a checkpoint."""
    return folder is not None and (folder / FILE).exists()


def has_checkpoint_of(folder: Path, identity: str) -> bool:
    """Whether a folder holds a checkpoint of this meta-training.

    Raises:
        StorageError: it holds one that cannot be read.
    """
    try:
        return read(folder, identity) is not None
    except StorageError:
        raise
    except InputError:
        return False
