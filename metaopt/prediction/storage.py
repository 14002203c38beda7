"""Predictors on the disk: a JSON document and weights in the safetensors format, changed by one rename."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import load as tensors_from
from safetensors.torch import save as bytes_from
from torch import Tensor, nn

from metaopt.errors import InputError, first_line, quoted
from metaopt.files import as_path, is_file, is_folder, read_bytes, read_json, turn_in, write_in_turn

DOCUMENT = "predictor.json"

#: Version of the document.
SCHEMA = 1


def save_predictor(document: dict[str, Any], model: nn.Module, folder: str | Path) -> None:
    """Write a document and weights, which it names by their hash: whoever reads finds the old pair or the new one.

    Args:
        document: plain JSON.
        model: whose parameters and buffers are kept.
        folder: made where it is missing.

    Raises:
        InputError: it cannot be written; what was there is as it was.
    """
    place = as_path(folder, "The folder of a predictor")
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    weights = bytes_from(state)
    sha256 = hashlib.sha256(weights).hexdigest()
    name = f"weights-{sha256[:16]}.safetensors"
    whole = {"metaopt_predictor": SCHEMA, **document, "weights": {"file": name, "sha256": sha256}}
    try:
        place.mkdir(parents=True, exist_ok=True)
        with turn_in(place):
            write_in_turn(place / name, weights)
            write_in_turn(place / DOCUMENT, json.dumps(whole, indent=1, ensure_ascii=False).encode())
            for other in place.glob("weights-*.safetensors"):
                if other.name != name:
                    with contextlib.suppress(OSError):
                        other.unlink()
    except OSError as error:
        raise InputError(
            f"The predictor could not be written to {quoted(place)}: {first_line(error)}; choose another folder."
        ) from error


def is_predictor(folder: str | Path) -> bool:
    """Whether a predictor was saved there."""
    return is_file(Path(folder) / DOCUMENT)


def read_predictor(folder: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The document and the weights in a folder.

    Raises:
        InputError: there is none, it is newer than this metaopt, or damaged.
    """
    place = as_path(folder, "The folder of a predictor")
    if not is_predictor(place):
        what = "holds no predictor.json" if is_folder(place) else "does not exist"
        raise InputError(f"{quoted(place)} {what}; predictor.save or metaopt predict --save writes one.")
    try:
        document = read_json(place / DOCUMENT)
        schema = document["metaopt_predictor"]
        weights = document["weights"]
        name, sha256 = str(weights["file"]), str(weights["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise damaged(place, error) from error
    if schema != SCHEMA:
        raise InputError(f"{quoted(place)} was saved by another version of metaopt (format {quoted(schema)}).")
    try:
        content = read_bytes(place / Path(name).name)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError(f"{name} is not the file that was saved")
        return document, tensors_from(content)
    except Exception as error:  # safetensors' own, too
        raise damaged(place, error) from error


def damaged(folder: Path, error: Exception) -> InputError:
    """The error of a folder that does not hold what was saved."""
    what = f"it lacks {error}" if isinstance(error, KeyError) else first_line(error)
    return InputError(f"The predictor in {quoted(folder)} is damaged: {what}; save it again.")
