"""Stateful stoppers: a policy written for one validation, run along all recorded curves side by side."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from metaopt.contracts.curve import Array
from metaopt.contracts.threshold import CurveBatch, IncrementalFires, StopperHparams
from metaopt.errors import PluginError, checked_function, quoted

#: Numbers, or arrays that broadcast to (policies, n), by key.
ScanState: TypeAlias = Mapping[str, Any]


@final
@dataclass(frozen=True, eq=False)
class CurvePoint:
    """The same validation of n curves, oriented so that lower is better.

    Attributes:
        value: the metric, shape (n,); NaN where the validation failed.
        step: steps completed, shape (n,).
        horizon: planned number of steps, shape (n,); infinite where unknown.
        number: of the validation, counted from 1.
        sign: +1 if the user's metric is better when lower, -1 if when higher: `user = sign * value`.
    """

    value: Array
    step: Array
    horizon: Array
    number: int
    sign: float
    _batch: CurveBatch

    @property
    def fraction(self) -> Array:
        """Share of the horizon that is done, shape (n,); 0 where the horizon is unknown."""
        share: Array = self.step / self.horizon
        return share

    def signal(self, name: str) -> Array:
        """A further series at this validation, shape (n,); NaN where the curves have none of this name."""
        series = self._batch.signals.get(name)
        return np.full(self.value.shape, math.nan) if series is None else series[:, self.number - 1]


#: `hparams -> state` before the first validation.
InitScan: TypeAlias = Callable[[StopperHparams], ScanState]
#: `(state, seen, hparams) -> (fires, state)` at each validation.
StepScan: TypeAlias = Callable[[ScanState, CurvePoint, StopperHparams], tuple[Any, ScanState]]


@checked_function(PluginError)
def scan(init: InitScan, step: StepScan) -> "IncrementalFires":
    """Make the pure form of a stopper from what it does at one validation.

        state_0 = init(hparams),    fires_t, state_t = step(state_{t−1}, seen_t, hparams)

    The functions are called with arrays for all policies and all curves at once: write them with NumPy's operators and
    `np.where` instead of `if`, `min` and `max`. A comparison with NaN is False, so that a failed validation neither
    improves nor fires unless `step` says so.

    Args:
        init: `hparams -> state`: a dict of numbers or arrays, empty for policies that remember nothing.
        step: `(state, seen, hparams) -> (fires, state)`: `seen` is a `metaopt.CurvePoint`, whose arrays have shape
            (n,); a hyperparameter is a number or has shape (policies, 1); `fires` is a boolean or an array of booleans
            that broadcasts to (policies, n). The state may have any shape that does, and is returned anew with the
            same keys.

    Returns:
        The function for `StopperSpec(fires=…)`. In a loop, `observe` takes one `step`, however long the history.

    Raises:
        PluginError: no function where one is needed; when it is called, `init` or `step` returned something else, such
            as a state with other keys.

    Example:
        Stop when `patience` validations in a row have brought no improvement:

        >>> import numpy as np, metaopt
        >>> def init(hparams):
        ...     return {"best": np.inf, "waited": 0}
        >>> def step(state, seen, hparams):
        ...     improved = seen.value < state["best"]
        ...     waited = np.where(improved, 0, state["waited"] + 1)
        ...     best = np.where(improved, seen.value, state["best"])
        ...     return waited >= hparams["patience"], {"best": best, "waited": waited}
        >>> stopper = metaopt.ThresholdStopper("waits", metaopt.scan(init, step), {"patience": 2})
        >>> [stopper.observe(metaopt.Observation(n, value)).stop for n, value in enumerate([3.0, 2.0, 2.5, 2.1])]
        [False, False, False, True]
    """
    for name, function in {"init": init, "step": step}.items():
        if not callable(function):
            raise PluginError(f"scan: {name} must be a function, got {quoted(function)}.")
    return _Scan(step, init)


@final
@dataclass(frozen=True)
class _Kept:
    """What `observe` need not work out again."""

    number: int
    horizon: float
    state: ScanState


@final
@dataclass(frozen=True)
class _Scan(IncrementalFires):
    """What `scan` makes. `step` comes first: errors that know no line point to it."""

    step: StepScan
    init: InitScan

    def __call__(self, batch: CurveBatch, hparams: StopperHparams) -> NDArray[np.bool_]:
        """Whether each policy fires at each validation of each curve: shape (n, T), or (policies, n, T)."""
        shape = np.broadcast_shapes(*(np.shape(value)[:-1] for value in hparams.values()), batch.values.shape[:1])
        fired = np.empty((*shape, batch.values.shape[1]), dtype=np.bool_)
        columns = {name: _column(value) for name, value in hparams.items()}
        with np.errstate(all="ignore"):
            state = self._begun(columns)
            for index, seen in enumerate(_points(batch, 0)):
                fired[..., index], state = self._stepped(state, seen, columns, shape)
        return fired

    def at_the_last(self, batch: CurveBatch, hparams: StopperHparams, memory: object) -> tuple[bool, object]:
        """The answer at the last validation of one curve, and what to keep for the next one."""
        length, horizon = batch.values.shape[1], float(batch.horizon[0, 0])
        with np.errstate(all="ignore"):
            if isinstance(memory, _Kept) and memory.horizon == horizon and memory.number < length:
                state, first = memory.state, memory.number
            else:
                state, first = self._begun(hparams), 0
            fires: Any = False
            for seen in _points(batch, first):
                fires, state = self._stepped(state, seen, hparams, (1,))
        return bool(np.all(fires)), _Kept(length, horizon, state)

    def _begun(self, hparams: StopperHparams) -> ScanState:
        state = self.init(hparams)
        if not isinstance(state, Mapping):
            raise PluginError(f"scan: init must return the state, a dict, got {quoted(state)}.")
        return state

    def _stepped(
        self, state: ScanState, seen: CurvePoint, hparams: StopperHparams, shape: tuple[int, ...]
    ) -> tuple[Any, ScanState]:
        answer = self.step(state, seen, hparams)
        if not (isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping)):
            raise PluginError(f"scan: step must return (fires, state), with the state a dict, got {quoted(answer)}.")
        if answer[1].keys() != state.keys():
            keys = [f"{{{', '.join(sorted(map(str, each)))}}}" for each in (answer[1], state)]
            raise PluginError(f"scan: step returned the state keys {keys[0]}, init made {keys[1]}.")
        fires = np.asarray(answer[0])
        if fires.dtype != np.bool_ or not _broadcasts(fires.shape, shape):
            raise PluginError(
                f"scan: what step says of firing must be booleans that broadcast to {shape}, got an array of "
                f"{fires.dtype} and of shape {fires.shape}; compare, and combine with & and |."
            )
        return fires, answer[1]


def _points(batch: CurveBatch, first: int) -> Iterator[CurvePoint]:
    values, steps = (np.ascontiguousarray(series[:, first:].T) for series in (batch.values, batch.steps))
    horizon = batch.horizon[:, 0]
    for index, (value, step) in enumerate(zip(values, steps, strict=True), start=first):
        yield CurvePoint(value, step, horizon, index + 1, batch.sign, batch)


def _column(hparam: Any) -> Any:
    """A hyperparameter against curves at one validation: (policies, 1, 1) becomes (policies, 1), or one number.

    A number stands for equal ones, so that what follows from it is computed once.
    """
    if not np.ndim(hparam):
        return hparam
    first = hparam.reshape(-1)[0]
    return first if (hparam == first).all() else hparam[..., 0]


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False
