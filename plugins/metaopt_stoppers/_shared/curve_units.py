"""Curves in units that any task shares: fractions of the horizon, and values relative to the run's own first one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaopt import CurveBatch

_Array = NDArray[np.float64]


def fractions(batch: CurveBatch) -> _Array:
    """Steps over horizon at each validation, shape (n, T); NaN where the horizon is unknown."""
    known = np.isfinite(batch.horizon) & (batch.horizon > 0)
    return np.where(known, batch.steps / np.where(known, batch.horizon, 1.0), np.nan)


def recorded(batch: CurveBatch) -> NDArray[np.bool_]:
    """Which validations took place, failed ones included; False in the padding after a curve's end. Shape (n, T)."""
    return np.diff(batch.steps, axis=-1, prepend=-np.inf) > 0


def latest(values: _Array) -> _Array:
    """The latest finite value up to each validation, shape (n, T); NaN before the first."""
    index = np.where(np.isfinite(values), np.arange(values.shape[-1]), -1)
    index = np.maximum.accumulate(index, axis=-1)
    latest_values: _Array = np.where(index >= 0, np.take_along_axis(values, np.maximum(index, 0), axis=-1), np.nan)
    return latest_values


def first_finite(values: _Array) -> _Array:
    """The first finite value so far, shape (n, T); NaN before it."""
    finite = np.isfinite(values)
    alone = np.where(finite & (np.cumsum(finite, axis=-1) == 1), values, np.nan)
    first: _Array = np.fmax.accumulate(alone, axis=-1)
    return first


def relative(values: _Array, first: _Array) -> _Array:
    """(value − first) / (|value| + |first|), in [−1, 1], lower is better; 0 where both are 0, NaN where one is.

    For a loss it is tanh(½ ln(value / first)); an accuracy, which comes negated, gives −tanh(½ ln(accuracy / first
    accuracy)). So the unit is free of scale, rises with the value, needs no best or worst possible value, and tells a
    fall to the first value from a fall to ten times the first value. It is 1 or −1 throughout once the sign changed.
    """
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        ratio = (values / 2 - first / 2) / (np.abs(values) / 2 + np.abs(first) / 2)
    return np.where((values == 0) & (first == 0), 0.0, ratio)


def relative_values(batch: CurveBatch) -> _Array:
    """Values relative to the run's own first finite one, shape (n, T); NaN where a value is not finite."""
    return relative(np.where(np.isfinite(batch.values), batch.values, np.nan), first_finite(batch.values))


def column(hparam: Any) -> NDArray[Any]:
    """A hyperparameter of shape (policies, 1, 1) as (policies,); a number as an array without axes."""
    array = np.asarray(hparam)
    return array[..., 0, 0] if array.ndim else array
