"""Stoppers made of stoppers: `any` of them, or `all` of them.

When to use it: to have several criteria at once, as most recipes do: `any` of `patience` and `divergence` ends what
does not improve and what has failed; `all` ends a run only when every criterion agrees.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, final

from metaopt import Decision, InputError, Observation, Stopper, StopperSpec

_Mode = Literal["min", "max"]


@final
class Combined:
    """Stops when enough of its stoppers have stopped, each of which keeps its word once given.

    Args:
        name: `"any"` or `"all"`.
        stoppers: the stoppers to combine, all of the same mode.
        needed: how many of them must have stopped.
        mode: `"min"` if the metric is better when lower, `"max"` if when higher.
    """

    def __init__(self, name: str, stoppers: Sequence[Stopper], needed: int, mode: _Mode = "min") -> None:
        if not stoppers:
            raise InputError(f"The stopper {name!r} is made of others; give stoppers=[...] with at least one.")
        for stopper in stoppers:
            child_mode = stopper.state_dict().get("mode", mode)
            if child_mode != mode:
                raise InputError(f"The stopper {name!r} has mode {mode!r}, one of its stoppers has {child_mode!r}.")
        self.name = name
        self.stoppers = tuple(stoppers)
        self.mode = mode
        self._needed = needed
        self._reason = ""

    def observe(self, observation: Observation) -> Decision:
        """Pass the observation on and count the stoppers that have stopped."""
        decisions = [stopper.observe(observation) for stopper in self.stoppers]
        reasons = [
            str(decision.reason or f"{type(stopper).__name__} said stop without a reason.")
            for stopper, decision in zip(self.stoppers, decisions, strict=True)
            if decision.stop
        ]
        if not self._reason and len(reasons) >= self._needed:
            self._reason = f"{self.name}: {' '.join(reasons)}"
        return Decision(
            stop=bool(self._reason),
            reason=self._reason,
            best_step=decisions[0].best_step,
            best_value=decisions[0].best_value,
        )

    def state_dict(self) -> dict[str, Any]:
        """The states of the stoppers, in plain JSON."""
        return {
            "name": self.name,
            "mode": self.mode,
            "stoppers": [stopper.state_dict() for stopper in self.stoppers],
            "reason": self._reason,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`.

        Raises:
            InputError: the state belongs to another policy, mode or number of stoppers.
        """
        states = state.get("stoppers", ())
        theirs = (state.get("name"), state.get("mode"), len(states))
        mine = (self.name, self.mode, len(self.stoppers))
        if theirs != mine:
            raise InputError(
                f"This stopper's name, mode and number of stoppers are {mine}, the state's are {theirs}; "
                "create the same stopper first."
            )
        for stopper, inner in zip(self.stoppers, states, strict=True):
            stopper.load_state_dict(inner)
        self._reason = str(state.get("reason", ""))


def any_of(*, stoppers: Sequence[Stopper] = (), mode: _Mode = "min") -> Combined:
    """Stop as soon as one of `stoppers` has stopped."""
    return Combined("any", stoppers, 1, mode)


def all_of(*, stoppers: Sequence[Stopper] = (), mode: _Mode = "min") -> Combined:
    """Stop once each of `stoppers` has stopped, at whatever moments."""
    return Combined("all", stoppers, len(stoppers), mode)


ANY = StopperSpec(name="any", version="1", factory=any_of, combines=True, summary="stop when one of several stops")
ALL = StopperSpec(name="all", version="1", factory=all_of, combines=True, summary="stop when all of several have")
