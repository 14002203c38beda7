"""What a learned stopper sees of a curve so far: numbers without a unit."""

import numpy as np
from numpy.typing import NDArray

from metaopt import CurveBatch
from metaopt_stoppers._shared.curve_units import first_finite, fractions, latest, relative

_Array = NDArray[np.float64]

#: Time constants, in fractions of the horizon, of the averages that recent slopes are measured from.
_WINDOWS = (0.02, 0.06, 0.2)
_TINY = 1e-300
_BOUND = 10.0
#: Number of features.
NUM_FEATURES = 27
#: Signals from which the last features are computed.
SIGNALS = frozenset({"train_loss", "lr"})


def features(batch: CurveBatch) -> _Array:
    """Features of each curve at each validation, from validations up to it alone; shape (n, T, F).

    0 where there is no value yet, NaN where a signal is not recorded. Values that are not finite are held at the latest
    finite one. With the best, the worst and the first value so far, a range (worst − best), relative values as in
    `curve_units`, and validations counted from 1:

    - the fraction t of the horizon, ln(t + .01), ln(1 + count), the time since the best as a fraction of the horizon
      and as ln(1 + validations);
    - the height above the best, and that of the worst value since the best, in ranges; the value, the best, and the
      worst since the best, relative to the first;
    - for three windows, how far the value and the best lie from their exponential averages over the window, in ranges,
      and the relative value from its own;
    - the mean absolute change from one validation to the next, in ranges, over the run and lately;
    - whether the value is not finite;
    - of the signal `train_loss`, the latest and the least so far relative to the first, the latest relative to the
      least, and its height above the least in ranges (most − least so far);
    - the signal `lr`: the learning rate as a share of its planned peak.
    """
    finite = np.isfinite(batch.values)
    values, first = np.nan_to_num(latest(batch.values)), np.nan_to_num(first_finite(batch.values))
    started = np.logical_or.accumulate(finite, axis=-1)
    fraction = np.clip(np.nan_to_num(fractions(batch)), 0.0, 1.0)
    count = np.broadcast_to(np.arange(1.0, values.shape[-1] + 1), values.shape)
    best = np.minimum.accumulate(np.where(started, values, np.inf), axis=-1)
    worst = np.maximum.accumulate(np.where(started, values, -np.inf), axis=-1)
    improved = best < np.concatenate([np.full((len(best), 1), np.inf), best[:, :-1]], axis=-1)
    since = np.maximum.accumulate(np.where(improved, count, 0.0), axis=-1)
    best_at = np.maximum.accumulate(np.where(improved, fraction, 0.0), axis=-1)
    trough = _worst_since(values, improved)
    elapsed = np.diff(fraction, axis=-1, prepend=0.0)
    with np.errstate(all="ignore"):
        scale = 1 / np.maximum(worst - best, _TINY)
        unit = relative(values, first)
        change = np.abs(np.diff(values, axis=-1, prepend=values[:, :1]))
        columns = [fraction, np.log(fraction + 0.01), np.log1p(count), fraction - best_at, np.log1p(count - since)]
        columns += [(values - best) * scale, (trough - best) * scale]
        columns += [unit, relative(best, first), relative(trough, first)]
        for window in _WINDOWS:
            weight = 1 - np.exp(-elapsed / window)
            columns += [(values - _average(values, weight)) * scale, (best - _average(best, weight)) * scale]
            columns.append(unit - _average(unit, weight))
        columns += [np.cumsum(change, axis=-1) / count * scale, _average(change, np.full_like(change, 0.2)) * scale]
    table = np.stack([*columns, 1.0 - finite], axis=-1)
    signals = np.stack(_signal_features(batch), axis=-1)
    # A curve that explodes has features beyond all bounds, which would drown what else is known of it.
    bounded = np.where(started[..., None], np.clip(np.nan_to_num(table), -_BOUND, _BOUND), 0.0)
    return np.concatenate([bounded, np.clip(signals, -_BOUND, _BOUND)], axis=-1)


def _signal_features(batch: CurveBatch) -> list[_Array]:
    missing = np.full_like(batch.values, np.nan)
    rate, loss = (latest(batch.signals.get(name, missing)) for name in ("lr", "train_loss"))
    first = first_finite(loss)
    least, most = np.fmin.accumulate(loss, axis=-1), np.fmax.accumulate(loss, axis=-1)
    with np.errstate(invalid="ignore"):
        height = (loss - least) / np.maximum(most - least, _TINY)
    return [relative(loss, first), relative(least, first), relative(loss, least), height, rate]


def _worst_since(values: _Array, improved: NDArray[np.bool_]) -> _Array:
    """The worst value since the latest improvement."""
    worst = values.copy()
    for index in range(1, values.shape[-1]):
        candidate = np.maximum(worst[:, index - 1], values[:, index])
        worst[:, index] = np.where(improved[:, index], values[:, index], candidate)
    return worst


def _average(series: _Array, weight: _Array) -> _Array:
    """Exponential average with a weight for each value; it starts at the first value."""
    averages = series.copy()
    for index in range(1, series.shape[-1]):
        before = averages[:, index - 1]
        average = before + weight[:, index] * (series[:, index] - before)
        # Before the first value there is no average yet.
        averages[:, index] = np.where(np.isfinite(average), average, series[:, index])
    return averages
