"""Stop a run that has diverged.

When to use it: always, beside another one in `any`: it costs nothing and ends runs that cannot be saved. It never ends
a run that only stands still.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from metaopt import CurveBatch, Float, Int, StopperSpec
from metaopt_stoppers._shared.distinct import exceeds


def divergence(batch: CurveBatch, hparams: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Fire at once on a value that is not finite, or when `patience` values in a row are far above the best.

    Far above means (value − best) / max(|first|, |best|) > factor, where lower is better, `first` is the first finite
    value and `best` the best finite one before this validation. Both are taken from the run itself, so that the rule
    means the same for losses of any size; it knows no scale, and does not fire, while both are 0. What is missing or
    no number counts as not finite.

    Args:
        batch: n curves of T validations.
        hparams: `factor`, above 0; `patience`, validations, at least 1. Numbers, or arrays of shape (policies, 1, 1).

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    return exceeds(hparams["factor"], partial(_height, batch.values), hparams["patience"])


def _height(values: NDArray[np.float64], patience: float) -> NDArray[np.float64]:
    """The lowest of the last `patience` relative heights above the best, infinite where a value is not finite."""
    finite = np.isfinite(values)
    known = np.where(finite, values, np.nan)
    best = _before(np.fmin.accumulate(known, axis=-1))
    first = _before(_first_known(known))
    with np.errstate(divide="ignore", invalid="ignore"):
        height = (known - best) / np.fmax(np.abs(first), np.abs(best))
    height = np.where(np.isfinite(height), height, -np.inf)
    width = min(int(patience), values.shape[-1] + 1)
    padded = np.pad(height, ((0, 0), (width, 0)), constant_values=-np.inf)
    lowest = sliding_window_view(padded, width, axis=-1).min(axis=-1)[:, 1:]
    return np.where(finite, lowest, np.inf)


def _first_known(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """At each validation the first value so far that is not NaN, or NaN."""
    is_known = ~np.isnan(known)
    alone = np.where(is_known & (np.cumsum(is_known, axis=-1) == 1), known, np.nan)
    return np.fmax.accumulate(alone, axis=-1)


def _before(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """The series one validation earlier; NaN at the first."""
    return np.concatenate([np.full((len(series), 1), np.nan), series[:, :-1]], axis=-1)


DIVERGENCE = StopperSpec(
    name="divergence",
    version="1",
    fires=divergence,
    space={
        "factor": Float(1.0, 10.0, log=True, default=3.0, valid="(0, inf)"),
        "patience": Int(1, 5, default=2, valid="[1, inf)"),
    },
    summary="stop when the metric is not finite or far above its best",
)
