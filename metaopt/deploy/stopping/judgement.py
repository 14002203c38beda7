"""What the validations of a run amount to: the best so far, and whether to stop."""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, final

from torch import Tensor

from metaopt.contracts import Decision, Mode, Observation, Stopper
from metaopt.deploy.plan_warnings import Heard
from metaopt.deploy.stopping.guard import Guard
from metaopt.deploy.stopping.observation import observation_of
from metaopt.deploy.stopping.recent_losses import RecentLosses
from metaopt.deploy.stopping.told import Told
from metaopt.errors import InputError


@final
class Judgement:
    """The stopper and the guard at work on one run, with what they are told.

    Args:
        stopper: the early-stopping policy, or None: then only the guard ever says stop.
        told: signals that the optimizer has for the stopper.
        mode: `"min"` if the metric is better when lower, `"max"` if when higher.
        requires: signals that the stopper requires with each observation.
        uses: further ones, which it takes where there are any.
        guard: whether to say stop once nothing can be saved.

    Attributes:
        stopper: see above.
        mode: see above.
        losses: training losses since the last validation.
        decision: the last one.
        heard: counts the validations taken in.
    """

    def __init__(
        self,
        stopper: Stopper | None,
        told: Told,
        *,
        mode: Mode = "min",
        requires: frozenset[str] = frozenset(),
        uses: frozenset[str] = frozenset(),
        guard: bool = True,
    ) -> None:
        self.stopper = stopper
        self.mode: Mode = mode
        self.losses = RecentLosses()
        self.decision = Decision(stop=False)
        self.heard = Heard()
        self._told, self._requires, self._uses = told, requires, uses
        self._guard = Guard(active=guard)
        self._last_observed: int | None = None
        self._observed_before: int | None = None  # the last observation of a loaded state
        self._seconds_before = 0.0
        self._started = time.monotonic()

    @property
    def waits_for_validations(self) -> bool:
        """Whether there is a stopper, and no validation yet."""
        return self.stopper is not None and not self.heard.count

    @property
    def num_observations(self) -> int:
        """Validations taken in."""
        return self.heard.count

    def saw(self, loss: Tensor) -> None:
        """Note a training loss, 0-d."""
        self.losses.add(loss, total="train_loss" in self._requires | self._uses)

    def knows(self, step: int) -> bool:
        """Whether the state that was loaded holds the validation of this step already."""
        return self._observed_before == step

    def observation(
        self,
        value: float | Tensor,
        given: Mapping[str, float | Tensor | None],
        step: int,
        horizon: int | None,
        lr: float,
    ) -> Observation:
        """A validation with its signals; arguments and errors as of `observation_of`.

        Args:
            value: the metric.
            given: signals from the user.
            step: training steps completed.
            horizon: planned number of steps, or None.
            lr: the learning rate as a share of its planned peak.
        """
        known = {"seconds": self._seconds(), "train_loss": self.losses.mean(), "lr": lr}
        return observation_of(
            value,
            given,
            step=step,
            horizon=horizon,
            known={**self._told.signals(self._requires | self._uses), **known},
            required=self._requires,
            used=self._uses,
        )

    def end(self, reason: str) -> None:
        """Say stop from the next observation on, for a reason that is no validation's; an empty one is none."""
        self._guard.reason = self._guard.reason or reason

    def improves(self, observation: Observation) -> bool:
        """Whether its value is finite and better than all before."""
        value, best = observation.value, self.decision.best_value
        better = best is None or (value < best if self.mode == "min" else value > best)
        return better and math.isfinite(value)

    def take(self, observation: Observation, params: Iterable[Tensor]) -> Decision:
        """Decide; the parameters are looked at where the metric is not finite."""
        best = self.decision.best_step, self.decision.best_value
        if self.improves(observation):
            best = observation.step, observation.value
        said = Decision(stop=False) if self.stopper is None else self.stopper.observe(observation)
        self._guard.look(observation, params, self.losses)
        reason = _reason(said, self.stopper, observation.step) or self._guard.reason
        self.losses.clear()
        self.heard.count += 1
        self._last_observed, self._observed_before = observation.step, None
        self.decision = Decision(bool(reason), reason, *best)
        return self.decision

    def state_dict(self) -> dict[str, Any]:
        """Everything observed so far, for `torch.save`."""
        return {
            "mode": self.mode,
            "stopper": None if self.stopper is None else self.stopper.state_dict(),
            "decision": asdict(self.decision),
            "num_observations": self.heard.count,
            "last_observed": self._last_observed,
            "lost_reason": self._guard.reason,
            "losses": self.losses.state_dict(),
            "seconds": self._seconds(),
        }

    def check(self, state: Mapping[str, Any]) -> None:
        """Check that a run of the same mode saved `state`, with a stopper if this one has any; InputError otherwise."""
        if state["mode"] != self.mode:
            raise InputError(f"This run's mode is {self.mode!r}, the state's is {state['mode']!r}; bind the same.")
        if (state["stopper"] is None) != (self.stopper is None):
            raise InputError("The state was saved by a run with another stopper; bind the same recipe.")

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`; the stopper checks that the state is its own."""
        if self.stopper is not None:
            self.stopper.load_state_dict(state["stopper"])
        self.decision = Decision(**state["decision"])
        self.heard.count = int(state["num_observations"])
        self._last_observed = self._observed_before = state["last_observed"]
        self._guard.reason = str(state["lost_reason"])
        self.losses.load_state_dict(state["losses"])
        self._seconds_before = float(state["seconds"])
        self._started = time.monotonic()

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started


def _reason(decision: Decision, stopper: Stopper | None, step: int) -> str:
    """Why the stopper says stop, which it need not say to be heard; empty while it does not say stop."""
    if not decision.stop:
        return ""
    return str(decision.reason or f"The stopper {type(stopper).__name__} said stop at step {step} without a reason.")
