"""Policies that know curves from the first step on, asked about curves that were validated before it too."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from metaopt import CurveBatch

_Fires: TypeAlias = Callable[..., NDArray[np.bool_]]


def from_the_first_step(fires: _Fires) -> _Fires:
    """The pure form `fires`, which never sees a validation of step 0 and is taken not to fire there.

    Policies that measure a run by its first value, or that count validations in strips, then decide the same whether or
    not somebody validated before the first step.
    """

    @wraps(fires)
    def shifting(batch: CurveBatch, *others: Any, **theta: Any) -> NDArray[np.bool_]:
        begins = begins_at_the_start(batch)
        if not begins.any():
            return fires(batch, *others, **theta)
        answer = fires(without_the_start(batch), *others, **theta)
        later = np.concatenate([np.zeros_like(answer[..., :1]), answer[..., :-1]], axis=-1)
        return np.where(begins[:, None], later, answer)

    return shifting


def begins_at_the_start(batch: CurveBatch) -> NDArray[np.bool_]:
    """Which curves have a validation before the first step, shape (n,)."""
    return batch.steps[:, 0] == 0 if batch.steps.shape[1] else np.zeros(len(batch.steps), dtype=np.bool_)


def without_the_start(batch: CurveBatch) -> CurveBatch:
    """The same curves from the first step on; those that had a validation before it end one place earlier."""
    begins = begins_at_the_start(batch)[:, None]
    if not begins.any():
        return batch

    def shifted(series: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(begins, np.concatenate([series[:, 1:], end], axis=1), series)

    unknown = np.full((len(begins), 1), np.nan)
    return replace(
        batch,
        values=shifted(batch.values, unknown),
        steps=shifted(batch.steps, batch.steps[:, -1:]),
        signals={name: shifted(series, unknown) for name, series in batch.signals.items()},
        since=max(batch.since - 1, 0),
    )
