"""What the validations of a run amount to: the best so far, and whether to stop."""

import math
import time
from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict, dataclass, field
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.contracts import Decision, Mode, Observation, Stopper
from metaopt.deploy.plan_warnings import GAINS_BY, ValidationCount, warn_nothing_gained
from metaopt.deploy.ranks.rank_group import RankGroup
from metaopt.deploy.ranks.weighted_means import Validation, agreed_validation, checked_examples
from metaopt.deploy.stopping.divergence_check import DivergenceCheck
from metaopt.deploy.stopping.signal_names import FROM_TRAINING, check_known, how_to_give, one_number
from metaopt.errors import InputError


@dataclass(frozen=True)
class WrapperSignals:
    """Signals for stoppers from the shared state of a rule, where its wrappers put them: a learned schedule's `stop`.

    Attributes:
        optimizer: whose first group holds the shared state, once there is any.
        entries: the entry of each signal, by the signal's name.
    """

    optimizer: Optimizer
    entries: Mapping[str, str]

    def values(self, names: Set[str]) -> dict[str, float | None]:
        """The signals of these names; None before the first step. Reading a value waits for the device."""
        shared = self.optimizer.param_groups[0].get("shared", {})
        return {
            signal: float(shared[entry]) if entry in shared else None
            for signal, entry in self.entries.items()
            if signal in names
        }


@dataclass(eq=False)
class RecentLosses:
    """The last training loss, and the mean of the losses since `clear`."""

    others_are_finite: bool = field(default=True, init=False)  # the last losses of other ranks, until `clear`

    _last: Tensor | None = field(default=None, init=False)
    _total: Tensor | None = field(default=None, init=False)
    _count: int = field(default=0, init=False)

    def add(self, loss: Tensor, *, total: bool) -> None:
        """Note a 0-d loss; `total` says whether the mean will be asked for."""
        self._last = loss
        if total:
            value = loss.to(torch.promote_types(loss.dtype, torch.float32))
            self._total = value if self._total is None else self._total + value
            self._count += 1

    def mean(self) -> float | None:
        """Mean since `clear`, or None where there is none."""
        return None if self._total is None else float(self._total) / self._count

    def finite(self) -> bool:
        """Whether the last loss was finite, on every rank that said so; an unknown one counts as finite."""
        return self.others_are_finite and (self._last is None or bool(torch.isfinite(self._last).all()))

    def clear(self) -> None:
        """Begin a new mean."""
        self._total, self._count, self.others_are_finite = None, 0, True

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers."""
        return {"last": self._last, "total": self._total, "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of `state_dict`."""
        last, total = (None if state[key] is None else torch.as_tensor(state[key]).clone() for key in ("last", "total"))
        count = int(state["count"])
        if (total is None) != (count < 1) or any(loss is not None and loss.numel() != 1 for loss in (last, total)):
            raise ValueError(f"there are {count} losses, and their sum is {total}")
        self._last, self._total, self._count = last, total, count


@final
@dataclass(eq=False)
class Judgement:
    """The stopper and the check for divergence at work on one run, with the signals that they get.

    Args:
        stopper: the early-stopping policy, or None: then only a training that diverged is stopped.
        wrapper_signals: signals that the optimizer has for the stopper.
        mode: `"min"` if the metric is better when lower, `"max"` if when higher.
        requires: signals that the stopper requires with each observation.
        uses: further signals, which it takes where there are any.
        guard: whether to say stop once training diverged.
        ranks: the processes that train the model together, or None for one; they decide by the same numbers.

    Attributes:
        losses: training losses since the last validation.
        decision: the last decision.
        validations: counts the validations taken in.
    """

    stopper: Stopper | None
    wrapper_signals: WrapperSignals
    mode: Mode = field(default="min", kw_only=True)
    requires: frozenset[str] = field(default=frozenset(), kw_only=True)
    uses: frozenset[str] = field(default=frozenset(), kw_only=True)
    guard: bool = field(default=True, kw_only=True)
    ranks: RankGroup | None = field(default=None, kw_only=True)
    losses: RecentLosses = field(default_factory=RecentLosses, init=False)
    decision: Decision = field(default=Decision(stop=False), init=False)
    validations: ValidationCount = field(default_factory=ValidationCount, init=False)
    _divergence: DivergenceCheck = field(default_factory=DivergenceCheck, init=False)
    _last_observed: int | None = field(default=None, init=False)
    _observed_before: int | None = field(default=None, init=False)  # the last observation of a loaded state
    _seconds_before: float = field(default=0.0, init=False)
    _started: float = field(default_factory=time.monotonic, init=False)

    @property
    def waits_for_validations(self) -> bool:
        """Whether there is a stopper, and no validation yet."""
        return self.stopper is not None and not self.validations.count

    @property
    def needs_losses(self) -> bool:
        """Whether the stopper reads the mean of the training losses."""
        return "train_loss" in self.requires or "train_loss" in self.uses

    def record_loss(self, loss: Tensor) -> None:
        """Note a training loss, 0-d."""
        self.losses.add(loss, total=self.needs_losses)

    def holds_validation_of(self, step: int) -> bool:
        """Whether the state that was loaded holds the validation of this step already."""
        return self._observed_before == step

    def observation(
        self,
        value: float | Tensor,
        signals: Mapping[str, float | Tensor | None],
        step: int,
        horizon: int | None,
        lr: float,
        num_examples: float | None = None,
    ) -> Observation:
        """One validation, with signals from the user and those from elsewhere that the stopper reads.

        Args:
            value: the metric, one number.
            signals: from the user, which come before those from elsewhere; None counts as missing.
            step: training steps completed.
            horizon: planned number of steps, or None.
            lr: the learning rate as a share of its planned peak.
            num_examples: how many examples the metric is a mean over; ranks agree on a mean weighted by it.

        Raises:
            InputError: the metric or a signal is not one number, a required signal is missing, nothing knows one, or
                the number of examples is not 0 or more.
            RankError: the ranks do not come together.
        """
        check_known(signals, self.requires | self.uses)
        if num_examples is not None:
            num_examples = checked_examples(num_examples)
        own, read = {"seconds": self._seconds(), "train_loss": self.losses.mean(), "lr": lr}, self.requires | self.uses
        supplied = {**self.wrapper_signals.values(read), **own}
        known = {**{name: signal for name, signal in supplied.items() if name in read}, **signals}
        numbers = {name: one_number(name, signal) for name, signal in known.items() if signal is not None}
        value = one_number("the metric", value)
        if self.ranks is not None:
            value, numbers = self._agreed(self.ranks, Observation(step, value, horizon, numbers), num_examples)
        if self._is_start(step):
            numbers = {**dict.fromkeys(self.requires & FROM_TRAINING, math.nan), **numbers}
        missing = sorted(self.requires - set(numbers) - {"horizon"})
        if missing:
            raise InputError(f"The recipe's stopper requires {', '.join(missing)}: {how_to_give(missing)}.")
        return Observation(step, value, horizon, numbers)

    def stop_for(self, reason: str) -> None:
        """Say stop from the next observation on, for a reason that no validation shows; an empty reason is none."""
        self._divergence.reason = self._divergence.reason or reason

    def improves(self, observation: Observation) -> bool:
        """Whether its value is finite and better than all before."""
        value, best = observation.value, self.decision.best_value
        better = best is None or (value < best if self.mode == "min" else value > best)
        return better and math.isfinite(value)

    def says_nothing(self, observation: Observation) -> bool:
        """Whether this is the validation before the first step, and its metric could not be computed."""
        return self._is_start(observation.step) and not math.isfinite(observation.value)

    def decide(self, observation: Observation, params: Iterable[Tensor]) -> Decision:
        """Take in a validation; the parameters are looked at where the metric is not finite.

        Before the first step a metric that is not finite says nothing of the training, and the stopper is not asked.
        """
        best = self.decision.best_step, self.decision.best_value
        if self.improves(observation):
            best = observation.step, observation.value
        stopper = None if self.says_nothing(observation) else self.stopper
        reason = "" if stopper is None else _stop_reason(stopper, observation)
        if self.guard and not math.isfinite(observation.value):
            self._divergence.look(observation, params, self.losses.finite(), self.ranks)
        reason = reason or self._divergence.reason
        if best[0] == 0 and not reason and self._asks_for_gain(observation):
            warn_nothing_gained(observation.step, observation.horizon, best[1])
        self.losses.clear()
        self.validations.count += 1
        self._last_observed, self._observed_before = observation.step, None
        self.decision = Decision(bool(reason), reason, *best)
        return self.decision

    def state_dict(self) -> dict[str, Any]:
        """Everything observed so far, for `torch.save`."""
        return {
            "mode": self.mode,
            "stopper": None if self.stopper is None else self.stopper.state_dict(),
            "decision": asdict(self.decision),
            "num_observations": self.validations.count,
            "last_observed": self._last_observed,
            "lost_reason": self._divergence.reason,
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
        self.validations.count = int(state["num_observations"])
        self._last_observed = self._observed_before = state["last_observed"]
        self._divergence.reason = str(state["lost_reason"])
        self.losses.load_state_dict(state["losses"])
        self._seconds_before = float(state["seconds"])
        self._started = time.monotonic()

    def _agreed(self, ranks: RankGroup, own: Observation, num_examples: float | None) -> tuple[float, dict[str, float]]:
        """The metric and the signals that all ranks agree on; whether losses are finite and training is over, too."""
        declared: dict[str, float | None] = dict.fromkeys((self.requires | self.uses) - {"horizon"})
        is_over = bool(self._divergence.reason)
        validation = Validation(own.value, {**declared, **own.signals}, self.losses.finite(), is_over)
        agreed = agreed_validation(ranks, validation, num_examples, own.step)
        self.losses.others_are_finite = agreed.is_sound
        if agreed.is_over:
            self.stop_for(f"At step {own.step} training is over on another rank, whose observation says why.")
        return agreed.value, {name: signal for name, signal in agreed.signals.items() if signal is not None}

    def _asks_for_gain(self, observation: Observation) -> bool:
        """Whether enough of the plan is done to have gained something, and was not at the validation before."""
        horizon, before = observation.horizon or 0, self._last_observed or 0
        return before < GAINS_BY * horizon <= observation.step < horizon

    def _is_start(self, step: int) -> bool:
        """Whether a validation at this step would be the one before the first step."""
        return step == 0 and not self.validations.count

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started


def _stop_reason(stopper: Stopper, observation: Observation) -> str:
    """Why the stopper says stop, whether it gives a reason or not; empty while it does not say stop."""
    decision = stopper.observe(observation)
    if not decision.stop:
        return ""
    unsaid = f"The stopper {type(stopper).__name__} said stop at step {observation.step} without a reason."
    return str(decision.reason or unsaid)
