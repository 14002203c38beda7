"""Asynchronous successive halving against a stored population: at each rung only the best of it go on.

When to use it: to drop poor runs of a study early, when recorded runs of the same task tell what to expect. It compares
with others, so that it says nothing of overfitting.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaopt import CurveBatch, Int, StopperSpec
from metaopt_stoppers._shared.curve_units import column, fractions, recorded, relative_values
from metaopt_stoppers._shared.first_step import from_the_first_step, without_the_start

_ETAS = (2, 3, 4)
_RUNGS = 5
_WORST = 1.0


@from_the_first_step
def asha(batch: CurveBatch, hparams: Mapping[str, Any], theta: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Fire at a rung where the best so far is not among the top 1/eta of the population there.

    Li et al. (2020), in the form that stops instead of pausing: rungs lie at eta^−rungs, …, eta^−2, eta^−1 of the
    horizon, and a run is judged at the first validation at or after each of them. Values are relative to each run's
    first finite one (see `curve_units`), so that a population may serve another task; a run without a finite value
    counts as the worst that there can be. Where the horizon is unknown there are no rungs, and it never fires.

    A validation before the first step plays no part.

    Args:
        batch: n curves of T validations.
        hparams: `eta`, 2, 3 or 4; `rungs`, how many, in [1, 5]. Numbers, or arrays of shape (policies, 1, 1).
        theta: `limits`, shape (3, 5): for each eta the value at eta^−1, eta^−2, … that 1/eta of the population reach.

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    best, fraction = _best(batch), fractions(batch)
    stopped = np.zeros((len(_ETAS), _RUNGS, *best.shape), dtype=np.bool_)
    for row, eta in enumerate(_ETAS):
        for rung in range(_RUNGS):
            stopped[row, rung] = _arrives(fraction, eta ** -(rung + 1.0)) & (best > theta["limits"][row, rung])
    within = np.logical_or.accumulate(stopped, axis=1)
    rows, rungs = np.broadcast_arrays(column(hparams["eta"]), column(hparams["rungs"]))
    fired: NDArray[np.bool_] = within[rows.astype(np.int64) - _ETAS[0], rungs.astype(np.int64) - 1]
    return fired


def fit(batches: Sequence[CurveBatch], generator: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """At each rung the ⌊n / eta⌋-th best of n curves, the best at least; a curve that ended before keeps its best."""
    limits = np.empty((len(_ETAS), _RUNGS))
    for row, eta in enumerate(_ETAS):
        for rung in range(_RUNGS):
            there = np.sort(np.concatenate([_at(without_the_start(batch), eta ** -(rung + 1.0)) for batch in batches]))
            limits[row, rung] = there[max(len(there) // eta, 1) - 1]
    return {"limits": limits}


def _at(batch: CurveBatch, rung: float) -> NDArray[np.float64]:
    """Each curve's best at the validation that is judged at a rung, shape (n,)."""
    best, arrived = _best(batch), _arrives(fractions(batch), rung) & recorded(batch)
    index = np.where(arrived.any(axis=-1), np.argmax(arrived, axis=-1), best.shape[-1] - 1)
    bests: NDArray[np.float64] = best[np.arange(len(best)), index]
    return bests


def _best(batch: CurveBatch) -> NDArray[np.float64]:
    best = np.fmin.accumulate(relative_values(batch), axis=-1)
    return np.where(np.isnan(best), _WORST, best)


def _arrives(fraction: NDArray[np.float64], rung: float) -> NDArray[np.bool_]:
    """The first validation at or after a fraction of the horizon."""
    # Rounding must not cost a validation: 3 · (1/3)³ is a little more than 1/9.
    past = fraction >= rung * (1 - 1e-9)
    first: NDArray[np.bool_] = past & (np.cumsum(past, axis=-1) == 1)
    return first


ASHA = StopperSpec(
    name="asha",
    version="1",
    fires=asha,
    fit=fit,
    theta_shapes={"limits": (len(_ETAS), _RUNGS)},
    space={"eta": Int(2, 4, default=4, valid="[2, 4]"), "rungs": Int(1, _RUNGS, default=3, valid="[1, 5]")},
    requires=frozenset({"horizon"}),
    # It gives up most runs by design, which serves a search among them and not whoever trains one model to its best.
    proposed=False,
    references=("https://arxiv.org/abs/1810.05934",),
    summary="stop at rungs of the horizon unless among the best of recorded runs there",
)
