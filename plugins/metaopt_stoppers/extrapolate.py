"""Stop when extrapolations of the curve say that its end will hardly be better than its best so far.

When to use it: when curves are smooth and validations many (dozens a run), and a run shall end once its future is
clear. It is wrong where rates that decay late change the curve's course.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from metaopt import CurveBatch, Float, Int, StopperSpec
from metaopt_stoppers._shared.curve_fits import Array, fit
from metaopt_stoppers._shared.distinct import exceeds

# Stands in for the horizon, in validations, where it is unknown.
_VALIDATIONS_WITHOUT_HORIZON = 100
# A value worse than this many values before it counts as a spike.
_BEFORE = 5


def extrapolate(batch: CurveBatch, hparams: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Fire when P(value at the end is better than the best so far) < `probability`.

    The curve so far is fitted by a power law, an exponential, a logistic, Weibull's (which is Janoschek's) and MMF's
    curve, asymptote + scale · φ(x), and so are bootstrap samples of it (see `curve_fits.fit`). With the value m that a
    model expects at the end, the deviation σ of values around it, and the weight w that the Bayesian information
    criterion gives it among the models,

        P = mean over bootstrap samples of Σ over models of w · Φ((best − min_gain · (first − best) − m) / σ),

    where `first` is the first finite value and `best` the best so far. Without `min_gain` a curve that has become flat
    to the last digit would have P = 1/2. Decisions are the same for a·y + b, a > 0, as for y, but for rounding.

    Decisions where a curve says little: values that are not finite, and those of step 0, are left out, and at them it
    does not fire; a value worse than the first, or than all of the five before it, counts as these, so that a spike
    puts a decision off, no more; a curve that never got below its first value, a constant one too, has P = 0; where the
    horizon is unknown, the end is as many validations again as there were; past the horizon, the end is the present;
    with fewer than `min_points` finite values it never fires.

    Args:
        batch: n curves of T validations.
        hparams: `probability`, in (0, 1]; `min_points`, at least 6; `min_gain`, at least 0, a share of the gain so far.
            Numbers, or arrays of shape (policies, 1, 1).

    Returns:
        Shape (n, T), or (policies, n, T); validations before `batch.since` are not answered.
    """
    used = np.isfinite(batch.values) & (batch.steps > 0)
    limit = -np.asarray(hparams["probability"], dtype=np.float64)
    fired: NDArray[np.bool_] = exceeds(limit, partial(_minus_probability, batch, used), hparams["min_gain"])
    return fired & (np.cumsum(used, axis=-1) >= np.asarray(hparams["min_points"]))


def _minus_probability(batch: CurveBatch, used: NDArray[np.bool_], min_gain: float) -> Array:
    """−P at each validation, shape (n, T); NaN, which exceeds no limit, where P is unknown or not asked for."""
    minus_probability = np.full(used.shape, np.nan)
    counts = np.broadcast_to(np.arange(1.0, used.shape[1] + 1) / _VALIDATIONS_WITHOUT_HORIZON, used.shape)
    unknown = np.isinf(batch.horizon)
    x = np.where(unknown, counts, batch.steps / batch.horizon)
    end = np.where(unknown, 2 * counts, np.maximum(x, 1.0))
    # Curves that were validated at the same moments are fitted together.
    _, groups = np.unique(np.concatenate([x, end, used], axis=1), axis=0, return_inverse=True)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups.reshape(-1) == group)
        columns = np.flatnonzero(used[rows[0]])
        since = int(np.searchsorted(columns, batch.since))
        if since < len(columns):
            moments = x[rows[0], columns], end[rows[0], columns]
            minus_probability[np.ix_(rows, columns[since:])] = -_probability(
                batch.values[np.ix_(rows, columns)], *moments, min_gain, since
            )
    return minus_probability


def _probability(values: Array, x: Array, end: Array, min_gain: float, since: int) -> Array:
    """P after each validation from `since` on, of finite values, shape (n, T − since)."""
    from scipy.special import ndtr  # imported late, so that listing plugins need not wait for SciPy

    gain = np.maximum(values[:, :1] - values, 0.0)
    before = np.pad(gain, ((0, 0), (_BEFORE, 0)), mode="edge")[:, :-1]
    gain = np.maximum(gain, sliding_window_view(before, _BEFORE, axis=1).min(-1))
    best = -np.maximum.accumulate(gain, axis=1)[:, since:]
    with np.errstate(all="ignore"):  # a constant beginning leaves nothing to divide by
        fits = fit(-gain, x, end, since)
        beyond = (best * (1 + min_gain))[..., None, None] - fits.end
        probability = (fits.share * ndtr(beyond / fits.deviation)).sum(-1).mean(-1)
    return np.where(best < 0, probability, 0.0)


EXTRAPOLATE = StopperSpec(
    name="extrapolate",
    version="1",
    fires=extrapolate,
    space={
        "probability": Float(0.005, 0.3, log=True, default=0.05, valid="(0, 1]"),
        "min_points": Int(6, 20, default=10, valid="[6, inf)"),
        # Each value takes fits of its own, and what it does `probability` does too; so tuning leaves it alone.
        "min_gain": Float(0.005, 0.005, default=0.005, valid="[0, inf)"),
    },
    references=("https://www.ijcai.org/Proceedings/15/Papers/487.pdf", "https://arxiv.org/abs/2103.10948"),
    summary="stop when fits of learning-curve models promise no better end",
)
