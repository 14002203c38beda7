"""Training weights in a state that was saved while averages were in the parameters."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from metaopt.errors import InputError, quoted

#: Entry of a parameter's state: the weights to train on from.
TRAINING_POINT = "training_point"


def with_points(state: Mapping[Any, Mapping[str, Any]], points: Mapping[Any, Any]) -> dict[Any, dict[str, Any]]:
    """A state with training weights in it, both by the parameters' numbers."""
    joined = {number: dict(entries) for number, entries in state.items()}
    for number, point in points.items():
        joined[number] = {**joined.get(number, {}), TRAINING_POINT: point}
    return joined


def without_points(state: Mapping[Any, Mapping[str, Any]]) -> tuple[dict[Any, dict[str, Any]], dict[Any, Any]]:
    """Inverse of `with_points`: the state, and the training weights that were in it."""
    bare = {
        number: {key: value for key, value in entries.items() if key != TRAINING_POINT}
        for number, entries in state.items()
    }
    return bare, {number: entries[TRAINING_POINT] for number, entries in state.items() if TRAINING_POINT in entries}


def checked_point(point: Any, param: Tensor, name: str) -> Tensor:
    """A parameter's saved training weights, in its dtype and on its device.

    Raises:
        InputError: they are another parameter's.
    """
    if not isinstance(point, Tensor) or point.shape != param.shape:
        raise InputError(f"The saved training weights of {quoted(name)} are another parameter's; bind the same model.")
    return point.to(param, copy=True)
