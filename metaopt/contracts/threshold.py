"""Threshold stoppers: a policy written once over arrays of curves, from which `observe` follows."""

import hashlib
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from metaopt.contracts.curve import Array, Curve
from metaopt.contracts.stopper import Decision, Mode, Observation
from metaopt.errors import InputError, PluginError, named_line, quoted
from metaopt.space import Space, encode

StopperHparams: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class CurveBatch:
    """Recorded curves side by side, oriented so that lower is better; arrays that can be read only.

    Attributes:
        values: shape (n, T); NaN where a validation failed and after a curve's end.
        steps: steps completed, shape (n, T); after a curve's end its last step.
        horizon: planned number of steps, shape (n, 1); infinite where unknown.
        sign: +1 if the user's metric is better when lower, -1 if when higher: `user = sign * values`.
        signals: further series by name, shape (n, T).
        since: index of the first validation whose answer is asked for; what a policy says of those before is not read,
            so that it need not work it out.
    """

    values: Array
    steps: Array
    horizon: Array
    sign: float = 1.0
    signals: Mapping[str, Array] = field(default_factory=dict)
    since: int = 0

    def __post_init__(self) -> None:
        """Nobody writes to the arrays: other policies are asked over them too."""
        for name in ("values", "steps", "horizon"):
            object.__setattr__(self, name, _read_only(getattr(self, name)))
        object.__setattr__(self, "signals", {name: _read_only(series) for name, series in self.signals.items()})

    @classmethod
    def from_curves(cls, curves: Sequence[Curve], sign: float = 1.0) -> "CurveBatch":
        """Pad curves to the longest; only signals that all of them have are kept."""
        length = max((len(curve.steps) for curve in curves), default=0)
        names = set.intersection(*(set(curve.signals) for curve in curves)) if curves else set()
        return cls(
            values=np.stack([_pad(curve.values, length, math.nan) for curve in curves]),
            steps=np.stack([_pad(curve.steps, length, curve.steps[-1] if len(curve.steps) else 0) for curve in curves]),
            horizon=np.asarray([[float(curve.horizon)] for curve in curves]),
            sign=sign,
            signals={
                name: np.stack([_pad(curve.signals[name], length, math.nan) for curve in curves])
                for name in sorted(names)
            },
        )

    def rows(self, rows: NDArray[np.int64]) -> "CurveBatch":
        """The curves at these indices."""
        signals = {name: series[rows] for name, series in self.signals.items()}
        return CurveBatch(self.values[rows], self.steps[rows], self.horizon[rows], self.sign, signals)


#: `(batch, hparams) -> bool`: whether the policy would say stop at each validation, knowing only that one and those
#: before it. Where hyperparameters are numbers, the answer has the shape (n, T) of `batch.values`; where they are
#: arrays of shape (policies, 1, 1), it has shape (policies, n, T).
Fires: TypeAlias = Callable[[CurveBatch, StopperHparams], NDArray[np.bool_]]


class IncrementalFires(ABC):
    """A pure form that can also go on from where it was, so that observing costs one validation, not all so far."""

    @abstractmethod
    def __call__(self, batch: CurveBatch, hparams: StopperHparams) -> NDArray[np.bool_]:
        """The pure form (see `Fires`)."""

    @abstractmethod
    def at_the_last(self, batch: CurveBatch, hparams: StopperHparams, memory: object) -> tuple[bool, object]:
        """Whether it fires at the last validation of one curve.

        Args:
            batch: one curve so far.
            hparams: as numbers.
            memory: what it returned for the same curve before; None where there is nothing.

        Returns:
            The pure form's answer there, and what to keep.
        """


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def first_stop(fires: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Index of the first True along the last axis, or its length where there is none."""
    if fires.shape[-1] == 0:
        return np.zeros(fires.shape[:-1], dtype=np.int64)
    index = np.argmax(fires, axis=-1)
    fired = np.take_along_axis(fires, index[..., None], axis=-1)[..., 0]
    stops: NDArray[np.int64] = np.where(fired, index, fires.shape[-1]).astype(np.int64)
    return stops


def first_stop_of_any(stops: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """First stops of the policy `any`, from those of its children over the same curves (see `first_stop`)."""
    return reduce(np.minimum, stops)


def first_stop_of_all(stops: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """First stops of the policy `all`, from those of its children: a child that has stopped keeps its word."""
    return reduce(np.maximum, stops)


@final
class ThresholdStopper:
    """The stateful form of a pure threshold policy.

    Args:
        name: the policy's name, for reasons and for checking states.
        fires: the policy (see `Fires`).
        hparams: its hyperparameters, as people write them.
        mode: `"min"` if the metric is better when lower, `"max"` if when higher.
        requires: signals that every observation must carry; a missing one counts as NaN, with a warning the first time.
        uses: further signals, recorded where an observation carries them; a missing one counts as NaN.
        space: the hyperparameters' distributions, by which `fires` gets them as numbers; unchanged if left out.
        theta: what a fitted policy learned from recorded curves, which `fires` already holds: a state says whose it is,
            and that of another theta is refused. None for policies that learn nothing.
    """

    def __init__(
        self,
        name: str,
        fires: Fires,
        hparams: StopperHparams,
        mode: Mode = "min",
        requires: frozenset[str] = frozenset(),
        space: Space | None = None,
        theta: Mapping[str, Array] | None = None,
        uses: frozenset[str] = frozenset(),
    ) -> None:
        if mode not in ("min", "max"):
            raise InputError(f"mode must be 'min' or 'max', got {quoted(mode)}.")
        self.name = name
        self.hparams = dict(hparams)
        self.mode = mode
        self.requires = requires
        self._fires = fires
        self._theta = _fingerprint(theta) if theta else ""
        self._numbers = encode(space, self.hparams) if space is not None else self.hparams
        self._sign = 1.0 if mode == "min" else -1.0
        self._steps: list[int] = []
        self._values: list[float] = []
        self._signals: dict[str, list[float]] = {key: [] for key in sorted((requires | uses) - {"horizon"})}
        self._reason = ""
        self._kept: object = None
        self._warned = False

    def observe(self, observation: Observation) -> Decision:
        """Append to the history and ask the pure policy about its last entry."""
        self._append(observation)
        self._warn_of_missing(observation)
        if not self._reason and self._fires_now(observation.horizon):
            self._reason = self._explain(observation.step)
        best = self._best()
        return Decision(
            stop=bool(self._reason),
            reason=self._reason,
            best_step=None if best is None else self._steps[best],
            best_value=None if best is None else self._values[best],
        )

    def state_dict(self) -> dict[str, Any]:
        """The history, in plain JSON."""
        return {
            "name": self.name,
            "mode": self.mode,
            "steps": list(self._steps),
            "values": [_plain(value) for value in self._values],
            "signals": {key: [_plain(value) for value in series] for key, series in self._signals.items()},
            "reason": self._reason,
            **({"theta": self._theta} if self._theta else {}),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`.

        Raises:
            InputError: the state belongs to another policy, mode or theta, or is not a stopper's state.
        """
        for key, mine in (("name", self.name), ("mode", self.mode)):
            if state.get(key) != mine:
                raise InputError(
                    f"This stopper's {key} is {mine!r}, the state's is {quoted(state.get(key))}; "
                    "create the same stopper."
                )
        if state.get("theta", "") != self._theta:
            raise InputError(
                f"The state is of a stopper {self.name!r} that was fitted to other curves; "
                "create the same stopper, with the theta of its recipe."
            )
        try:
            steps = [int(float(step)) for step in state["steps"]]
            values = [_number(value) for value in state["values"]]
            # What this stopper does not require is dropped; what the saved one did not record is missing.
            signals = {key: [_number(value) for value in state["signals"].get(key, ())] for key in self._signals}
            reason = str(state["reason"])
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"This is no state of the stopper {self.name!r}: {named_line(error)}.") from error
        for series in signals.values():
            series += [math.nan] * (len(steps) - len(series))
        if any(len(series) != len(steps) for series in (values, *signals.values())):
            raise InputError(f"This is no state of the stopper {self.name!r}: its series differ in length.")
        self._steps, self._values, self._signals, self._reason = steps, values, signals, reason
        self._kept = None

    def _append(self, observation: Observation) -> None:
        self._steps.append(int(observation.step))
        self._values.append(_number(observation.value))
        for key, series in self._signals.items():
            series.append(_number(observation.signals.get(key)))

    def _warn_of_missing(self, observation: Observation) -> None:
        missing = sorted(self.requires - set(observation.signals) - {"horizon"})
        if missing and not self._warned:
            self._warned = True
            signals = ", ".join(f"{key!r}: ..." for key in missing)
            warnings.warn(
                f"The stopper {self.name!r} requires {', '.join(missing)} and the observation at step "
                f"{observation.step} has none, which counts as NaN: pass Observation(..., signals={{{signals}}}).",
                UserWarning,
                stacklevel=3,
            )

    def _fires_now(self, horizon: int | None) -> bool:
        batch = CurveBatch(
            values=self._sign * np.asarray([self._values], dtype=np.float64),
            steps=np.asarray([self._steps], dtype=np.float64),
            horizon=np.asarray([[math.inf if horizon is None else float(horizon)]]),
            sign=self._sign,
            signals={key: np.asarray([series], dtype=np.float64) for key, series in self._signals.items()},
            since=len(self._steps) - 1,
        )
        if isinstance(self._fires, IncrementalFires):
            fires, self._kept = self._fires.at_the_last(batch, self._numbers, self._kept)
            return fires
        answer = self._fires(batch, self._numbers)
        if getattr(answer, "shape", ())[-1:] != (len(self._steps),):
            raise PluginError(
                f"The pure form of the stopper {self.name!r} must return booleans of the shape of batch.values, here "
                f"{batch.values.shape}, got {quoted(getattr(answer, 'shape', answer))}; `metaopt check` says where."
            )
        return bool(answer[..., -1].reshape(-1)[0])

    def _best(self) -> int | None:
        finite = [index for index, value in enumerate(self._values) if math.isfinite(value)]
        return min(finite, key=lambda index: self._sign * self._values[index], default=None)

    def _explain(self, step: int) -> str:
        settings = ", ".join(f"{key}={value}" for key, value in sorted(self.hparams.items()))
        best = self._best()
        best_seen = (
            "no finite value was seen" if best is None else f"best {self._values[best]:.6g} at step {self._steps[best]}"
        )
        return f"{self.name}({settings}) fired at step {step} with the value {self._values[-1]:.6g}: {best_seen}."


def _pad(series: Array, length: int, fill: float) -> Array:
    return np.concatenate([series, np.full(length - len(series), fill)])


def _fingerprint(theta: Mapping[str, Array]) -> str:
    parts = [key.encode() + np.asarray(theta[key], dtype="<f8").tobytes() for key in sorted(theta)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _number(value: Any) -> float:
    """`value` as a float; what is no number counts as NaN, since a stopper never raises."""
    try:
        return float(value)
    except Exception:  # whatever the value's own __float__ raises
        return math.nan


def _plain(value: float) -> float | str:
    # JSON has no NaN or infinity; float() reads these strings back.
    return value if math.isfinite(value) else repr(value)
