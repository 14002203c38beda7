"""Stop when validation has not improved for a while.

When to use it: as the usual choice, with a share of the run (a `patience` below 1) so that it means the same for short
and long trainings.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metaopt import Categorical, CurveBatch, Float, StopperSpec, When

_MODES = ("abs", "rel")
_UNITS = ("auto", "steps", "epochs", "seconds")

# Where the horizon is unknown, a fraction of it is read as one of so many validations.
_VALIDATIONS_WITHOUT_HORIZON = 100


def patience(batch: CurveBatch, hparams: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Fire when the latest improvement lies `patience` or more back.

    A value improves if it is below best − min_delta (`abs`) or best − min_delta · |best| (`rel`), where `best` is the
    latest value that improved; the first finite value does. What is not finite never improves. `unit` says what
    `patience` and `warmup` count:

    - `auto`: a `patience` of 1 or more counts validations, with the ≥ of Keras and Lightning: `patience=1` fires at the
      first validation without an improvement. Below 1 it is a fraction of the horizon, in steps; where the horizon is
      unknown, of 100 validations. A `warmup` of up to 1 is such a fraction, above 1 it counts validations;
    - `steps`: training steps;
    - `epochs`: passes over the training data, by the signal `epoch`;
    - `seconds`: of training, by the signal `seconds`; in a resumed run time goes on from where it was saved.

    Before any improvement all count from the start of training. A signal that is missing or goes back stands still:
    where it was never there, the policy never fires.

    Args:
        batch: n curves of T validations, with the signals `epoch` or `seconds` where the unit needs them.
        hparams: `patience`, above 0; `min_delta`, at least 0; `min_delta_mode`, 0 for `abs`, 1 for `rel`; `warmup`,
            before which it never fires (it counts nevertheless), at least 0; `unit`, 0 to 3 in the order above.
            Numbers, or arrays of shape (policies, 1, 1).

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    given, warmup, unit = (_column(hparams[name]) for name in ("patience", "warmup", "unit"))
    margin, relative_margin = _margins(hparams)
    clocks = _clocks(batch)
    kind = _shared(np.where(unit > 0, unit + 1, given < 1).astype(np.int64))
    warmup_kind = _shared(np.where(unit > 0, unit + 1, warmup <= 1).astype(np.int64))

    finite = np.isfinite(batch.values)
    values = np.where(finite, batch.values, np.inf)
    sizes = np.where(finite, np.abs(batch.values), 0.0)
    n, length = values.shape
    policies = np.broadcast_shapes(given.shape, warmup.shape, unit.shape, margin.shape, relative_margin.shape)
    fired = np.empty((*np.broadcast_shapes(policies, (n,)), length), dtype=np.bool_)
    limit = np.full(np.broadcast_shapes(margin.shape, relative_margin.shape, (n,)), np.inf)
    latest = np.zeros(np.broadcast_shapes(kind.shape, limit.shape))
    for index in range(length):
        value, clock = values[:, index], _at(clocks[index], kind)
        improved = value < limit
        np.copyto(limit, value - margin - relative_margin * sizes[:, index], where=improved)
        np.copyto(latest, clock, where=improved)
        # Rounding must not cost a validation: 0.7 - 0.4 is a little less than 0.3.
        np.greater_equal(clock - latest, given * (1 - 1e-9), out=fired[..., index])
        if warmup.any():
            fired[..., index] &= _at(clocks[index], warmup_kind) >= warmup * (1 - 1e-9)
    return fired


def _clocks(batch: CurveBatch) -> NDArray[np.float64]:
    """What may be counted at each validation, shape (T, 5, n): validations, share of the horizon, the other units."""
    counts = np.broadcast_to(np.arange(1.0, batch.values.shape[-1] + 1), batch.values.shape)
    share = np.where(np.isinf(batch.horizon), counts / _VALIDATIONS_WITHOUT_HORIZON, batch.steps / batch.horizon)
    kinds = (counts, share, batch.steps, _signal(batch, "epoch"), _signal(batch, "seconds"))
    return np.ascontiguousarray(np.stack(kinds).transpose(2, 0, 1))


def _signal(batch: CurveBatch, name: str) -> NDArray[np.float64]:
    """A signal that only rises, 0 before it is known."""
    series = batch.signals.get(name)
    if series is None:
        return np.zeros(batch.values.shape)
    rising: NDArray[np.float64] = np.fmax.accumulate(np.where(np.isfinite(series), series, 0.0), axis=-1)
    return np.maximum(rising, 0.0)


def _at(clocks: NDArray[np.float64], kind: NDArray[np.int64]) -> NDArray[np.float64]:
    """The clock of each policy, shape (n,) where all have the same, else (policies, n)."""
    return clocks[kind.reshape(-1) if kind.ndim else int(kind)]


def _margins(hparams: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What an improvement must exceed: an absolute margin, and one in units of the best's size."""
    min_delta = _column(hparams["min_delta"])
    relative = _column(hparams["min_delta_mode"]) == _MODES.index("rel")
    return _shared(np.where(relative, 0.0, min_delta)), _shared(np.where(relative, min_delta, 0.0))


def _column(hparam: Any) -> NDArray[np.float64]:
    """A hyperparameter against curves at one validation: (policies, 1, 1) becomes (policies, 1)."""
    array = np.asarray(hparam, dtype=np.float64)
    return array[..., 0] if array.ndim else array


def _shared(column: NDArray[Any]) -> NDArray[Any]:
    """One number if all policies agree, so that what follows from it is computed once."""
    return column.reshape(-1)[0] if column.size and (column == column.reshape(-1)[0]).all() else column


def _plain(hparams: Mapping[str, Any]) -> str:
    margin = repr(hparams["min_delta"]) + (" * abs(best)" if hparams["min_delta_mode"] == "rel" else "")
    unit = hparams["unit"]
    if unit == "seconds":
        return ""  # a list of steps and values knows no time
    waits = _plain_clock("count" if unit == "epochs" or (unit == "auto" and hparams["patience"] >= 1) else unit)
    warms = _plain_clock("count" if unit == "epochs" or (unit == "auto" and hparams["warmup"] > 1) else unit)
    early = f"{warms.now} >= {hparams['warmup']!r} * (1 - 1e-9) and " if hparams["warmup"] else ""
    return f"""
        best, latest = None, 0
        for count, (step, value) in enumerate(history, 1):
            if math.isfinite(value) and (best is None or value < best - {margin}):
                best, latest = value, {waits.then}
        return {early}{waits.since} >= {hparams["patience"]!r} * (1 - 1e-9)
    """


class _PlainClock(NamedTuple):
    """Lines for what is counted: the time of an improvement, now, and how long it is since then."""

    then: str
    now: str
    since: str


def _plain_clock(unit: str) -> _PlainClock:
    if unit == "count":
        return _PlainClock("count", "len(history)", "len(history) - latest")
    if unit == "steps":
        return _PlainClock("step", "history[-1][0]", "history[-1][0] - latest")
    return _PlainClock("step", "history[-1][0] / total_steps", "(history[-1][0] - latest) / total_steps")


PATIENCE = StopperSpec(
    name="patience",
    version="1",
    fires=patience,
    space={
        "patience": Float(0.02, 0.5, log=True, default=0.1, valid="(0, inf)"),
        "min_delta": Float(0.0, 0.01, default=0.0, valid="[0, inf)"),
        "min_delta_mode": Categorical(_MODES, default="abs", when=When("min_delta", above=0.0)),
        "warmup": Float(0.0, 0.5, default=0.0, valid="[0, inf)"),
        # Steps, epochs and seconds mean something else on each task, so tuning leaves them to people.
        "unit": Categorical(_UNITS, default="auto", proposed=("auto",)),
    },
    requires_when={"epoch": When("unit", among=("epochs",)), "seconds": When("unit", among=("seconds",))},
    references=("https://doi.org/10.1007/3-540-49430-8_3",),
    plain=_plain,
    summary="stop when validation has not improved for a while",
)
