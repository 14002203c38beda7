"""The contract of an early-stopping policy: it observes validations and says whether to stop, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from metaopt.errors import known_keywords

Mode: TypeAlias = Literal["min", "max"]


@known_keywords()
@dataclass(frozen=True, slots=True)
class Observation:
    """One validation.

    Attributes:
        step: training steps completed.
        value: the metric, in the user's own orientation; NaN if it could not be computed.
        horizon: planned number of steps, or None.
        signals: further numbers by name, such as `train_loss` or `seconds`.
    """

    step: int
    value: float
    horizon: int | None = None
    signals: Mapping[str, float] = field(default_factory=dict)


@known_keywords()
@dataclass(frozen=True, slots=True)
class Decision:
    """What a stopper says after an observation.

    Attributes:
        stop: whether to stop now.
        reason: one sentence that says why; empty while `stop` is False.
        best_step: step of the best value so far, or None before the first finite one.
        best_value: that value in the user's orientation, or None.
    """

    stop: bool
    reason: str = ""
    best_step: int | None = None
    best_value: float | None = None


@runtime_checkable
class Stopper(Protocol):
    """An early-stopping policy. It never raises on a value and never ends a process by itself."""

    def observe(self, observation: Observation) -> Decision:
        """Take in one validation and decide. Once it has said stop it keeps saying so, with the same reason."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything observed so far, in plain JSON."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`; raises InputError for the state of another policy."""
        ...
