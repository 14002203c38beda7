"""Weights that a meta-training goes on from."""

import hashlib

from safetensors.torch import save as safetensors_bytes

from metaopt.contracts import Theta
from metaopt.errors import InputError


def fingerprint(theta: Theta) -> str:
    """8 hex digits of weights."""
    plain = {name: weights.detach().cpu().contiguous() for name, weights in theta.items()}
    return hashlib.sha256(safetensors_bytes(plain)).hexdigest()[:8]


def check_start(name: str, start: Theta, first: Theta) -> None:
    """Check that weights have the names and shapes of a rule's first ones.

    Raises:
        InputError: they have not.
    """
    wrong = sorted(key for key in {*start, *first} if key not in start or key not in first)
    wrong += sorted(key for key in {*start} & {*first} if start[key].shape != first[key].shape)
    if wrong:
        shapes = [tuple(theta[wrong[0]].shape) if wrong[0] in theta else "absent" for theta in (start, first)]
        raise InputError(
            f"Meta-training of {name!r} cannot begin from these weights: {wrong[0]!r} is {shapes[0]} there and "
            f"{shapes[1]} with these hyperparameters and tasks."
        )
