"""Stop when validation has not improved for a while.

When to use it: as the usual choice, with a share of the run (a `patience` below 1) so that it means the same for short
and long trainings.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metaopt import Categorical, CurvePoint, Float, StopperSpec, When, scan

_MODES = ("abs", "rel")
_UNITS = ("auto", "steps", "epochs", "seconds")

# Where the horizon is unknown, a fraction is one of this many validations.
_VALIDATIONS_WITHOUT_HORIZON = 100


def _begin(hparams: Mapping[str, Any]) -> Mapping[str, Any]:
    """State before the first validation, with constants: which clocks count, what an improvement must exceed."""
    limit, warmup, unit = hparams["patience"], hparams["warmup"], np.asarray(hparams["unit"], dtype=np.int64)
    relative = np.equal(hparams["min_delta_mode"], _MODES.index("rel"))
    return {
        "limit": np.inf,
        "latest": 0.0,
        "epoch": 0.0,
        "seconds": 0.0,
        "clock": _rows(np.where(unit > 0, unit + 1, np.less(limit, 1))),
        "warmup_clock": _rows(np.where(unit > 0, unit + 1, np.less_equal(warmup, 1))),
        "margin": _shared(np.where(relative, 0.0, hparams["min_delta"])),
        "relative_margin": _shared(np.where(relative, hparams["min_delta"], 0.0)),
    }


def patience(
    state: Mapping[str, Any], point: CurvePoint, hparams: Mapping[str, Any]
) -> tuple[NDArray[np.bool_], Mapping[str, Any]]:
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

    Before any improvement all count from the start of training. A signal that is missing or decreases
    keeps its last value; where it was never there, the policy never fires.

    Args:
        state: `limit`, what the next improvement must be below; `latest`, when the latest was; the largest `epoch` and
            `seconds` so far; and the constants that `_begin` adds.
        point: the validation, with the signals `epoch` or `seconds` where the unit needs them.
        hparams: `patience`, above 0; `min_delta`, at least 0; `min_delta_mode`, 0 for `abs`, 1 for `rel`; `warmup`,
            before which it never fires (it counts nevertheless), at least 0; `unit`, 0 to 3 in the order above.
    """
    risen = {name: np.fmax(state[name], _finite(point.signal(name))) for name in ("epoch", "seconds")}
    clocks = _clocks(point, risen)
    clock = clocks[state["clock"]]
    improved = np.isfinite(point.value) & (point.value < state["limit"])
    limit = point.value - state["margin"] - state["relative_margin"] * np.abs(point.value)
    latest = np.where(improved, clock, state["latest"])
    # Rounding must not cost a validation: 0.7 - 0.4 is a little less than 0.3.
    fires = clock - latest >= hparams["patience"] * (1 - 1e-9)
    if np.any(hparams["warmup"]):
        fires = fires & (clocks[state["warmup_clock"]] >= hparams["warmup"] * (1 - 1e-9))
    return fires, {**state, **risen, "limit": np.where(improved, limit, state["limit"]), "latest": latest}


def _clocks(point: CurvePoint, risen: Mapping[str, Any]) -> NDArray[np.float64]:
    """All clocks, shape (5, n): validations, share of the horizon, steps, epochs, seconds."""
    count = np.full(point.value.shape, float(point.number))
    share = np.where(np.isinf(point.horizon), count / _VALIDATIONS_WITHOUT_HORIZON, point.fraction)
    return np.stack([count, share, point.step, risen["epoch"], risen["seconds"]])


def _finite(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(signal), signal, 0.0)


def _rows(clocks: NDArray[Any]) -> Any:
    """The row of `_clocks` that each policy counts by: one for all where they agree, else shape (policies,)."""
    row = _shared(clocks.astype(np.int64))
    return row.reshape(-1) if row.ndim else int(row)


def _shared(column: NDArray[Any]) -> NDArray[Any]:
    """One number if all policies agree, so that what follows from it is computed once."""
    return column.reshape(-1)[0] if column.size and (column == column.reshape(-1)[0]).all() else column


def _plain(hparams: Mapping[str, Any]) -> str:
    margin = repr(hparams["min_delta"]) + (" * abs(best)" if hparams["min_delta_mode"] == "rel" else "")
    unit = hparams["unit"]
    if unit == "seconds":
        return ""  # the plain code's list of steps and values holds no time
    waits = _plain_clock("count" if unit == "epochs" or (unit == "auto" and hparams["patience"] >= 1) else unit)
    warms = _plain_clock("count" if unit == "epochs" or (unit == "auto" and hparams["warmup"] > 1) else unit)
    early = f"{warms.current} >= {hparams['warmup']!r} * (1 - 1e-9) and " if hparams["warmup"] else ""
    return f"""
        best, latest = None, 0
        for count, (step, value) in enumerate(history, 1):
            if math.isfinite(value) and (best is None or value < best - {margin}):
                best, latest = value, {waits.then}
        return {early}{waits.since} >= {hparams["patience"]!r} * (1 - 1e-9)
    """


class _PlainClock(NamedTuple):
    """Expressions of a clock in plain code: at an improvement, at present, and the time since the improvement."""

    then: str
    current: str
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
    fires=scan(_begin, patience),
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
