"""Learning-rate controllers as true torch schedulers, on any torch optimizer."""

import copy
import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from metaopt.contracts import Mode
from metaopt.deploy.plan_warnings import ValidationCount, warn_at_last, warn_past_the_plan
from metaopt.deploy.scheduler.checks import check_settings, note_initial_rates
from metaopt.deploy.scheduler.closed_loop import ClosedLoop
from metaopt.deploy.scheduler.rate_lookup import RateLookup, WarmUp
from metaopt.deploy.scheduler.state import check_state, in_force, leading_rate, take_bases
from metaopt.deploy.scheduler.step_due import StepDue
from metaopt.deploy.state.damaged_state import checked_count, checked_rates, refusing_damage
from metaopt.errors import InputError, quoted
from metaopt.plugin import ControllerSpec
from metaopt.space import Value, encode

#: Signals that a scheduler has by itself: the horizon if it was told one, the metric if `observe` is called.
PLAIN_SIGNALS = frozenset({"horizon", "metric"})

#: Signals known only between the backward pass and the optimizer's step; see `ControllerScheduler.prepare`.
GRADIENT_SIGNALS = frozenset({"loss", "gradient_norm", "agreement"})


@final
class ControllerScheduler(LRScheduler):
    """A controller acting on the `lr` of an optimizer's groups.

    The rate of a group is `multiplier · initial_lr`; an absolute rate applies to the first group (over its `lr_ratio`),
    and the others keep their ratio to it. Rates of cadence `table` are computed once and looked up; past the horizon
    the last one holds. A group added later takes part from the next `step()` on, with the `lr` it came with as its
    `initial_lr`.

    Args:
        optimizer: any torch optimizer.
        spec: the controller.
        values: all of its hyperparameters.
        total_steps: planned number of steps, or None.
        mode: orientation of the metric given to `observe`.
        supplies: signals that the host of this scheduler has.
        warmup: share of the planned steps, or of 500, over which all rates rise linearly; absolute rates do not.

    Attributes:
        spec: the controller.
        horizon: planned number of steps, or None.
        mode: orientation of the metric given to `observe`.
        required: signals that the controller needs with these hyperparameters.
        needs_gradients: whether `prepare` must be called between the backward pass and the optimizer's step.
    """

    #: Whether a step past the plan is remarked upon: where it is a run's, whose other parts end there.
    warns_past_plan = False
    _step_due: StepDue | None = None  # where a run's scheduler follows its optimizer

    def __init__(
        self,
        optimizer: Optimizer,
        spec: ControllerSpec,
        values: Mapping[str, Value],
        *,
        total_steps: int | None = None,
        mode: Mode = "min",
        supplies: frozenset[str] = PLAIN_SIGNALS,
        warmup: float = 0.0,
    ) -> None:
        self.required = spec.required(values)
        check_settings(spec, self.required, total_steps, mode, supplies)
        self.spec = spec
        self.horizon = None if total_steps is None else int(total_steps)
        self.mode: Mode = mode
        self._values, self._validations = dict(values), ValidationCount()
        hparams = {key: torch.tensor(value, dtype=torch.float64) for key, value in encode(spec.space, values).items()}
        is_table, gradient_signals = spec.cadence == "table", self.required & GRADIENT_SIGNALS
        self._gradient_signals = tuple(sorted(gradient_signals))
        self._table = RateLookup(spec, hparams, total_steps) if is_table else None
        self._loop = None if is_table else ClosedLoop(spec, hparams, total_steps, gradient_signals)
        self._warmup = WarmUp(warmup, total_steps)
        self._metric, self._rate, self._absolute = float("nan"), 1.0, False
        self._prepared = self._is_starting = False
        self.needs_gradients = spec.cadence == "step" and bool(gradient_signals)
        note_initial_rates(optimizer, spec)
        super().__init__(optimizer)

    def prepare(
        self, *, loss: Tensor | None = None, gradient_norm: Tensor | None = None, agreement: Tensor | None = None
    ) -> None:
        """Set the rate of the step about to be taken, for controllers that look at its loss or gradients.

        Args:
            loss: training loss of this step's batch, 0-d.
            gradient_norm: Euclidean norm of all gradients together, 0-d.
            agreement: cosine of the angle between the gradients and the last update, 0-d.

        Raises:
            InputError: a signal that the controller requires is missing.
        """
        signals = {"loss": loss, "gradient_norm": gradient_norm, "agreement": agreement}
        numbers: dict[str, float] = {}
        for name in self._gradient_signals:
            signal = signals[name]
            if signal is None:
                raise InputError(f"The controller {self.spec.name!r} requires {name} at each step; pass {name}=.")
            numbers[name] = signal.item()
        self._ask(numbers)
        self._prepared = True
        self._write()

    def pass_over(self) -> None:
        """In place of `prepare`, for a step that will not be taken: the rate stays, and the controller sees nothing."""
        self._prepared = True

    def step(self, epoch: int | None = None) -> None:
        """Move on to the next training step; call it after the optimizer's.

        A run's scheduler stays where it is if the optimizer took no step since, such as one that a `GradScaler`
        skipped.

        Raises:
            InputError: the controller looks at losses or gradients and `prepare` was not called for this step, or
                a metric was given, as torch's `ReduceLROnPlateau` takes it.

        Warns:
            UserWarning: this is the first step past the planned ones, of a run's scheduler. Also where the scheduler is
                given up after all planned steps and its controller, which listens to validations, never got a number.
        """
        if epoch is not None and not isinstance(epoch, Integral):
            raise InputError(
                f"scheduler.step() takes no metric, got {quoted(epoch)}: call step() after every training step and "
                "scheduler.observe(metric) after every validation."
            )
        if self._step_due is not None and epoch is None and not self._is_starting and not self._step_due.follow():
            return
        if self.needs_gradients and not (self._is_starting or self._prepared):
            signals = ", ".join(self._gradient_signals)
            raise InputError(
                f"The controller {self.spec.name!r} requires {signals} before each optimizer step: "
                "call run.step(loss), or scheduler.prepare(...) before optimizer.step()."
            )
        self._prepared = False
        if epoch is not None or self._step_count < 2:
            super().step(epoch)  # with torch's word on the order of the first steps
        else:
            self._step_count += 1
            self.last_epoch += 1
            self._find_rate()
            self._write()
        if self.horizon is not None and self.last_epoch >= self.horizon:
            self._at_the_end(self.horizon)

    def follow_steps(self) -> None:
        """Move only once for each `step_taken` from now on."""
        self._step_due = StepDue()

    def step_taken(self) -> None:
        """The optimizer took a step."""
        if self._step_due is not None:
            self._step_due.count += 1

    def __getstate__(self) -> dict[str, Any]:  # the optimizer of a copy has no hooks to follow
        return {**self.__dict__, "_step_due": None}

    def _at_the_end(self, horizon: int) -> None:
        if self.last_epoch == horizon + 1 and self.warns_past_plan:
            warn_past_the_plan(horizon)
        elif self.last_epoch == horizon and self.spec.cadence == "validation" and not self._validations.count:
            remedy = "scheduler.observe(metric), or run.observe(value),"
            warn_at_last(self, self._validations, f"The controller {self.spec.name!r}", horizon, remedy)

    def observe(self, metric: float) -> None:
        """Take in a validation metric; controllers that do not listen to validations ignore it.

        Args:
            metric: the value in the user's own orientation (see `mode`); NaN if it could not be computed.
        """
        self._metric = float(metric) if self.mode == "min" else -float(metric)
        self._validations.count += not math.isnan(self._metric)
        if self.spec.cadence == "validation":
            self._ask({})
            self._write()

    def get_lr(self) -> list[float | Tensor]:
        """The rate of each group for the step after `last_epoch` completed ones."""
        self._find_rate()
        return self._scaled()

    @property
    def share(self) -> float:
        """The coming step's rate of the first group as a share of the rate it began with."""
        return self._rate_now / (leading_rate(self.optimizer.param_groups[0]) if self._absolute else 1.0)

    @property
    def _rate_now(self) -> float:
        """The controller's rate, or what a warm-up leaves of it."""
        is_warm = self._absolute or self.last_epoch >= self._warmup.end
        return self._rate if is_warm else self._rate * self._warmup.at(self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Counters, rates and the controller's state: numbers, strings and tensors only."""
        return {
            "controller": self.spec.name,
            "hparams": dict(self._values),
            "total_steps": self.horizon,
            "mode": self.mode,
            "last_epoch": self.last_epoch,
            "step_count": self._step_count,
            "rate": self._rate,
            "absolute": self._absolute,
            "metric": self._metric,
            "state": {} if self._loop is None else self._loop.state,
            **({"warmup": self._warmup.share} if self._warmup.share else {}),
            "base_lrs": copy.deepcopy(self.base_lrs),
            "last_lr": copy.deepcopy(self._last_lr),
            "in_force": in_force(self.optimizer, self._last_lr),
        }

    @refusing_damage("a scheduler")
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict()`, and write the rate into the optimizer's groups.

        The rate is left alone where it was not this scheduler's when the state was saved, as in a sequence of them. A
        new `total_steps` is kept, with a warning: the rate goes on by the new plan.

        Raises:
            InputError: the state belongs to another controller, to other hyperparameters, or to a step that lies past
                this scheduler's plan.
        """
        mine: dict[str, Any] = {"controller": self.spec.name, "hparams": self._values, "mode": self.mode}
        check_state(state_dict, {**mine, "warmup": self._warmup.share}, self.horizon)
        self.last_epoch = checked_count(state_dict["last_epoch"])
        self._step_count = checked_count(state_dict["step_count"])
        if self._step_due is not None:
            self._step_due.count = 0
        self._rate = float(state_dict["rate"])
        self._absolute = bool(state_dict["absolute"])
        self._metric = float(state_dict["metric"])
        self._validations.count += not math.isnan(self._metric)
        if self._loop is not None:
            self._loop.load(state_dict["state"])
        self.base_lrs = checked_rates(state_dict["base_lrs"], len(self.optimizer.param_groups))
        self._last_lr = checked_rates(state_dict["last_lr"], len(self.optimizer.param_groups))
        if self._table is not None:
            self._rate = self._table.at(max(self.last_epoch, 0))
        if state_dict.get("in_force", True):
            take_bases(self.optimizer, self.base_lrs)
            self._write()

    def _initial_step(self) -> None:
        # torch steps each new scheduler once, and the first of a sequence once more: before any gradient is there.
        self._is_starting = True
        super()._initial_step()
        self._is_starting = False

    def _find_rate(self) -> None:
        if self._table is not None:
            self._rate = self._table.at(self.last_epoch)
            self._absolute = self._table.is_absolute
        elif self.spec.cadence == "step" and not self.needs_gradients:
            self._ask({})

    def _ask(self, signals: Mapping[str, float]) -> None:
        assert self._loop is not None, "an open loop is not asked"
        self._rate, self._absolute = self._loop.ask(max(self.last_epoch, 0), self._metric, signals)

    def _scaled(self) -> list[float | Tensor]:
        # Few operations: an open loop's step takes no longer than this.
        bases: list[float | Tensor] = []
        rates: list[float | Tensor] = []
        rate, unit = self._rate_now, 1.0
        for group in self.optimizer.param_groups:
            if "initial_lr" not in group:
                group["initial_lr"] = float(group.setdefault("lr", 1.0))  # as `note_initial_rates` does
            base = float(group["initial_lr"])
            if self._absolute and not bases:
                unit = leading_rate(group)
            bases.append(base)
            rates.append(rate * (base / unit))
        self.base_lrs = bases
        return rates

    def _write(self) -> None:
        last = self._scaled()
        for index, group in enumerate(self.optimizer.param_groups):
            lr = group["lr"]
            if isinstance(lr, Tensor):
                lr.fill_(last[index])
                last[index] = lr.clone()
            else:
                group["lr"] = last[index]
        self._last_lr = last
