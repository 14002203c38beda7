"""What a stopper that is fitted to recorded curves learns from them: a few named arrays."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from metaopt.contracts.threshold import CurveBatch
from metaopt.errors import InputError, bracketed, quoted

#: What a stopper learned, float64 arrays by name: a few hundred finite numbers in all.
StopperTheta: TypeAlias = Mapping[str, NDArray[np.float64]]

#: `(batches, generator) -> theta`, pure: the same curves and seed give the same theta. Batches hold one or more curves
#: in all, each batch of one direction; units may differ from curve to curve, so theta must be free of scale.
Fit: TypeAlias = Callable[[Sequence[CurveBatch], np.random.Generator], StopperTheta]

#: Shape of each array of a theta.
ThetaShapes: TypeAlias = Mapping[str, tuple[int, ...]]


def learned_theta(
    name: str,
    theta: Mapping[str, object] | None,
    shapes: ThetaShapes,
    shipped: Callable[[], StopperTheta] | None,
) -> StopperTheta:
    """What a stopper plays with, as float64 arrays; empty for one that learns nothing.

    Args:
        name: of the stopper, for messages.
        theta: arrays, or what numpy makes arrays of, by name; None or empty for what ships with the plugin.
        shapes: what the stopper declares; empty if it learns nothing.
        shipped: makes what ships with the plugin.

    Raises:
        InputError: a name or a shape differs from what is declared, something is no finite number, or theta is missing
            and none ships.
    """
    if not shapes:
        if theta:
            raise InputError(f"The stopper {name!r} learns nothing from curves; leave out theta.")
        return {}
    if not theta and shipped is None:
        raise InputError(
            f"The stopper {name!r} is fitted to recorded curves, and nothing ships with it; take it from a recipe that "
            "`metaopt tune --stoppers` wrote, or pass theta=, such as that of `metaopt replay --json`."
        )
    return _checked(name, theta or (shipped() if shipped is not None else {}), shapes)


def _checked(name: str, theta: Mapping[str, object], shapes: ThetaShapes) -> StopperTheta:
    if not isinstance(theta, Mapping) or set(theta) != set(shapes):
        names = bracketed(sorted(map(str, theta))) if isinstance(theta, Mapping) else quoted(theta)
        raise InputError(f"The theta of the stopper {name!r} consists of {sorted(shapes)}, got {names}; fit it again.")
    arrays = {}
    for key in sorted(shapes):
        try:
            arrays[key] = np.asarray(theta[key], dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"theta[{key!r}] of the stopper {name!r} must hold numbers, got {quoted(theta[key])}; fit it again."
            ) from error
        if arrays[key].shape != tuple(shapes[key]):
            raise InputError(
                f"theta[{key!r}] of the stopper {name!r} must have the shape {tuple(shapes[key])}, "
                f"got {arrays[key].shape}; fit it again."
            )
        if not np.isfinite(arrays[key]).all():
            raise InputError(f"theta[{key!r}] of the stopper {name!r} must be finite throughout; fit it again.")
    return arrays
