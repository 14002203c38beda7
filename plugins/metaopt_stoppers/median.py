"""The median stopping rule: stop a run whose best is worse than what a stored population averaged by then.

When to use it: to drop poor runs of a study early, more carefully than `asha`, when recorded runs of the same task are
at hand.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaopt import CurveBatch, Float, StopperSpec
from metaopt_stoppers._shared.curve_units import fractions, recorded, relative_values
from metaopt_stoppers._shared.first_step import from_the_first_step, without_the_start

_GRID = 20
_LEVELS = np.linspace(0.5, 1.0, 11)


@from_the_first_step
def median(
    batch: CurveBatch, hparams: Mapping[str, Any], theta: Mapping[str, NDArray[np.float64]]
) -> NDArray[np.bool_]:
    """Fire where the best so far is strictly worse than the population's median running average up to then.

    Golovin et al. (2017), section 3.2.1. Values are relative to each run's first finite one (see `curve_units`), so
    that a population may serve another task. At the fraction t of its horizon a run is held against the averages up to
    the latest twentieth of the horizon that is not after t; before the first twentieth, before a finite value, and
    where the horizon is unknown it never fires. What is not finite plays no part.

    A validation before the first step plays no part.

    Args:
        batch: n curves of T validations.
        hparams: `quantile`, what share of the population's averages may be better: .5 is the paper's median, 1 fires
            only on a run that is worse than all of them, in [.5, 1]; `warmup`, the fraction of the horizon before
            which it never fires, in [0, 1]. Numbers, or arrays of shape (policies, 1, 1).
        theta: `averages`, shape (11, 20): the .5, .55, … 1 quantiles of the running averages at each twentieth.

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    best = np.fmin.accumulate(relative_values(batch), axis=-1)
    fraction = fractions(batch)
    # Rounding must not cost a validation: 0.15 / 0.05 is a little less than 3.
    twentieth = np.clip(np.floor(np.nan_to_num(fraction) * _GRID * (1 + 1e-9)), 0, _GRID).astype(np.int64)
    place = (np.asarray(hparams["quantile"], dtype=np.float64) - _LEVELS[0]) / (_LEVELS[1] - _LEVELS[0])
    low = np.clip(np.floor(place + 1e-9), 0, len(_LEVELS) - 1).astype(np.int64)
    high, share = np.minimum(low + 1, len(_LEVELS) - 1), np.maximum(place - low, 0.0)
    at = np.maximum(twentieth - 1, 0)
    limit = (1 - share) * theta["averages"][low, at] + share * theta["averages"][high, at]
    fired: NDArray[np.bool_] = (best > limit) & (twentieth > 0)
    return fired & (fraction >= np.asarray(hparams["warmup"], dtype=np.float64) * (1 - 1e-9))


def fit(batches: Sequence[CurveBatch], generator: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Quantiles over curves of the running average of relative values at each twentieth of the horizon.

    A curve that ended early keeps its last average. Where no curve has a value yet, the average is the worst that there
    can be, 1: nobody is stopped there.
    """
    averages = np.concatenate([_averages(without_the_start(batch)) for batch in batches])
    return {
        "averages": np.stack(
            [
                np.quantile(known, _LEVELS) if len(known) else np.ones(len(_LEVELS))
                for known in (column[np.isfinite(column)] for column in averages.T)
            ],
            axis=1,
        )
    }


def _averages(batch: CurveBatch) -> NDArray[np.float64]:
    """Mean of the finite relative values up to each twentieth of the horizon, shape (n, 20); NaN before the first."""
    values = relative_values(batch)
    fraction = fractions(batch)
    counted = recorded(batch) & np.isfinite(values)
    grid = np.arange(1, _GRID + 1) / _GRID
    weights = counted[:, None, :] & (fraction[:, None, :] <= grid[:, None] * (1 + 1e-9))
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (weights * np.nan_to_num(values)[:, None, :]).sum(-1) / weights.sum(-1)
    return means


MEDIAN = StopperSpec(
    name="median",
    version="1",
    fires=median,
    fit=fit,
    theta_shapes={"averages": (len(_LEVELS), _GRID)},
    space={
        "quantile": Float(0.5, 1.0, default=0.5, valid="[0.5, 1]"),
        "warmup": Float(0.0, 0.5, default=0.0, valid="[0, 1]"),
    },
    requires=frozenset({"horizon"}),
    # It takes a population that runs like what is trained later, and spares no run that is slow to begin with.
    proposed=False,
    references=("https://doi.org/10.1145/3097983.3098043",),
    summary="stop below the median of recorded runs at the same fraction of the horizon",
)
