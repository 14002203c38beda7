"""Recipes written to the disk, so that nothing is ever half there.

A recipe changes with one rename, that of its document. The weights that the document names by their hash lie beside the
old ones until then, and take their place afterwards; whoever reads in between finds them under either name.
"""

import contextlib
import hashlib
import os
from pathlib import Path

import torch
from safetensors.torch import save as safetensors_bytes

from metaopt.configuration import Configuration
from metaopt.contracts import Theta
from metaopt.errors import RecipeError, first_line, quoted
from metaopt.files import is_file, read_bytes, turn_in, write_in_turn
from metaopt.recipe.provenance import MadeOn

DOCUMENT = "recipe.json"
WEIGHTS = "theta.safetensors"

#: Newest version of the document; 2 has laws of rates, warm-ups and pretrained weights, 3 has learners, 4 has
#: values of hyperparameters that tasks have of their own, and weightings and surgeries of several tasks.
SCHEMA = 4


def oldest_schema(configuration: Configuration, made_on: MadeOn | None, *, has_values: bool = False) -> int:
    """The oldest version whose readers train as the recipe says.

    Args:
        configuration: of the recipe.
        made_on: of the recipe.
        has_values: whether the recipe has values of hyperparameters that tasks have of their own.
    """
    if has_values or configuration.weighting or configuration.surgery:
        return 4
    if configuration.learner:
        return 3
    is_new = configuration.rate_law or configuration.warmup or (made_on is not None and made_on.pretrained)
    return 2 if is_new else 1


def save_files(text: str, theta_bytes: bytes, folder: Path) -> None:
    """Write a recipe's files, so that a kill at any moment leaves the old recipe or the new one.

    Args:
        text: the document, which holds the SHA-256 of the weights.
        theta_bytes: the weights; empty where there are none.
        folder: made where it is missing.

    Raises:
        RecipeError: it cannot be written; what was there is as it was.
    """
    try:
        content = text.encode()
        folder.mkdir(parents=True, exist_ok=True)
        with turn_in(folder):
            _write(folder, content, theta_bytes)
    except (OSError, UnicodeEncodeError) as error:
        before = "; the recipe that was there is unchanged" if is_file(folder / DOCUMENT) else ""
        raise RecipeError(
            f"The recipe could not be written to {quoted(folder)}: {first_line(error)}{before}. "
            "Make room there or choose another folder."
        ) from error


def bytes_of_theta(theta: Theta) -> bytes:
    """Learned weights in the safetensors format."""
    dense = torch.contiguous_format
    return safetensors_bytes({name: tensor.detach().cpu().clone(memory_format=dense) for name, tensor in theta.items()})


def read_weights(folder: Path, sha256: str) -> tuple[bytes, str]:
    """The content of a recipe's weights, and its SHA-256: other than the wanted one where there is no such file.

    Raises:
        OSError: there are no weights, or they cannot be read.
    """
    with contextlib.suppress(OSError):
        content = read_bytes(folder / _beside(sha256))
        if hashlib.sha256(content).hexdigest() == sha256:
            return content, sha256
    content = read_bytes(folder / WEIGHTS)
    return content, hashlib.sha256(content).hexdigest()


def _beside(sha256: str) -> str:
    """What weights are called while others have their name."""
    return f"theta.{sha256[:16]}.safetensors"


def _write(folder: Path, content: bytes, theta_bytes: bytes) -> None:
    sha256 = hashlib.sha256(theta_bytes).hexdigest()
    beside = folder / _beside(sha256)
    try:
        if theta_bytes:
            write_in_turn(beside, theta_bytes)
        write_in_turn(folder / DOCUMENT, content)
    except BaseException:
        if not _names(folder / DOCUMENT, sha256):
            beside.unlink(missing_ok=True)
        raise
    _tidy(folder, beside if theta_bytes else None)


def _names(document: Path, sha256: str) -> bool:
    try:
        return sha256.encode() in read_bytes(document)
    except OSError:
        return False


def _tidy(folder: Path, weights: Path | None) -> None:
    """Give the new weights their name; remove what belongs to no recipe any more. What fails here changes no recipe."""
    with contextlib.suppress(OSError):
        if weights is None:
            (folder / WEIGHTS).unlink(missing_ok=True)
        else:
            os.replace(weights, folder / WEIGHTS)
        for former in folder.glob(f"theta.{'[0-9a-f]' * 16}.safetensors"):
            former.unlink()
