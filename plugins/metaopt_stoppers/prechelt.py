"""Prechelt's stopping criteria: generalization loss, its quotient with training progress, successive increases.

When to use it: when overfitting shows as a validation loss that rises, and a clear sign of it shall count for more than
the time since the best. It reads losses; for accuracies take `patience`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaopt import Categorical, CurveBatch, Float, Int, StopperSpec, When
from metaopt_stoppers._shared.distinct import exceeds
from metaopt_stoppers._shared.first_step import begins_at_the_start, without_the_start

_CRITERIA = ("gl", "pq", "up")
_GL, _PQ, _UP = range(3)


def prechelt(batch: CurveBatch, hparams: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Fire by one of the three classes of criteria of Prechelt (1998), section 2.2.

    With validation error E, training error R, one epoch a validation, and strips of k epochs that end at t = k, 2k, …:

    - `gl`: GL(t) > alpha, where GL(t) = 100 · (E(t) / min over t' ≤ t of E(t') − 1), in percent;
    - `pq`: at the end of a strip GL(t) / P(t) > alpha, where P(t) = 1000 · (mean of R in the strip / its minimum − 1);
    - `up`: at the ends of s strips in a row E(t) > E(t − k).

    The paper's errors are positive. Here both ratios are differences over absolute values, (E − min E) / |min E|,
    which is the same for positive errors and keeps its direction for negative ones; above a minimum of 0 any rise
    counts as infinite. A value that is not finite counts as infinitely bad: `gl` fires at once, `pq` and `up` see it if
    it ends a strip. A validation before the first step may be the best one; strips begin after it. Where R is missing
    or not finite in a strip, P counts as 1 and `pq` is GL(t) > alpha at its end.

    Args:
        batch: n curves of T validations, with the signal `train_loss` for `pq`.
        hparams: `criterion`, 0 for `gl`, 1 for `pq`, 2 for `up`; `alpha`, above 0; `strip`, the k above, at least 1;
            `successive`, the s above, at least 1. Numbers, or arrays of shape (policies, 1, 1).

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    criterion = np.asarray(hparams["criterion"])
    strip = np.where(criterion == _GL, 1, hparams["strip"])
    threshold = np.where(criterion == _UP, np.asarray(hparams["successive"]) - 0.5, hparams["alpha"])
    return exceeds(threshold, partial(_strength, batch), criterion, strip)


def _strength(batch: CurveBatch, criterion: float, strip: float) -> NDArray[np.float64]:
    """The number that the criterion compares with its threshold; −∞ where a strip has not ended."""
    loss = _generalization_loss(batch.values)
    if criterion == _GL:
        return loss
    begins = begins_at_the_start(batch)[:, None]
    later = np.where(begins, np.concatenate([loss[:, 1:], loss[:, -1:]], axis=1), loss)
    strength = _at_ends_of_strips(without_the_start(batch), later, criterion, strip)
    shifted = np.concatenate([np.full((len(strength), 1), -np.inf), strength[:, :-1]], axis=1)
    return np.where(begins, shifted, strength)


def _at_ends_of_strips(
    batch: CurveBatch, loss: NDArray[np.float64], criterion: float, strip: float
) -> NDArray[np.float64]:
    """`pq` or `up` from the first step on, given the generalization loss at each validation."""
    length = int(min(strip, batch.values.shape[-1] + 1))
    strength = np.full(batch.values.shape, -np.inf)
    ends = strength[:, length - 1 :: length]
    if criterion == _PQ:
        loss = loss[:, length - 1 :: length]
        with np.errstate(divide="ignore", invalid="ignore"):
            ends[:] = np.where(np.isinf(loss), np.inf, loss / _progress(batch, length))
    else:
        ends[:] = _successive_increases(batch.values[:, length - 1 :: length])
    return strength


def _generalization_loss(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = np.isfinite(values)
    best = np.fmin.accumulate(np.where(finite, values, np.nan), axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(finite, 100 * (values - best) / np.abs(best), np.inf)


def _progress(batch: CurveBatch, length: int) -> NDArray[np.float64]:
    """P at the ends of the strips, shape (n, strips)."""
    n, num_validations = batch.values.shape
    num_strips = num_validations // length
    if "train_loss" not in batch.signals:
        return np.ones((n, num_strips))
    train = batch.signals["train_loss"][:, : num_strips * length].reshape(n, num_strips, length)
    low = train.min(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Rounding may put the mean of equal numbers below them.
        gap = np.maximum(train.mean(axis=-1) - low, 0)
        progress = np.where(gap == 0, 0.0, 1000 * gap / np.abs(low))
    return np.where(np.isfinite(train).all(axis=-1), progress, 1.0)


def _successive_increases(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many of the latest steps along the last axis went up without a break."""
    error = np.where(np.isfinite(values), values, np.inf)
    index = np.broadcast_to(np.arange(values.shape[-1]), values.shape)
    up = np.zeros(values.shape, dtype=np.bool_)
    up[:, 1:] = (error[:, 1:] > error[:, :-1]) | np.isinf(error[:, 1:])
    unbroken = index - np.maximum.accumulate(np.where(up, 0, index), axis=-1)
    return unbroken.astype(np.float64)


PRECHELT = StopperSpec(
    name="prechelt",
    version="1",
    fires=prechelt,
    space={
        "criterion": Categorical(_CRITERIA, default="gl"),
        "alpha": Float(0.5, 50.0, log=True, default=5.0, when=When("criterion", among=("gl", "pq")), valid="(0, inf)"),
        "strip": Int(2, 10, default=5, when=When("criterion", among=("pq", "up")), valid="[1, inf)"),
        "successive": Int(1, 8, default=3, when=When("criterion", among=("up",)), valid="[1, inf)"),
    },
    requires_when={"train_loss": When("criterion", among=("pq",))},
    references=("https://doi.org/10.1007/3-540-49430-8_3",),
    summary="generalization loss, its quotient with training progress, or successive increases",
)
