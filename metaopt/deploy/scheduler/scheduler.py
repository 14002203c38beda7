"""Learning-rate controllers as true torch schedulers, on any torch optimizer."""

import copy
import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any, final

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from metaopt.contracts import Mode
from metaopt.deploy.optimizer.requirements import GRADIENT_SIGNALS, PLAIN_SIGNALS, check_controller
from metaopt.deploy.plan_warnings import Heard, warn_at_last, warn_past_the_plan
from metaopt.deploy.scheduler.closed_loop import ClosedLoop, number
from metaopt.deploy.scheduler.rate_lookup import RateLookup
from metaopt.deploy.scheduler.state import check_state, float_initial_rates, in_force, take_bases
from metaopt.deploy.state.damaged_state import checked_count, checked_rates, refusing_damage
from metaopt.errors import InputError, quoted
from metaopt.plugin import ControllerSpec, Registry, current_registry
from metaopt.space import Value, encode, resolve


def create_scheduler(
    name: str,
    optimizer: Optimizer,
    *,
    total_steps: int | None = None,
    mode: Mode = "min",
    registry: Registry | None = None,
    **hparams: Any,
) -> "ControllerScheduler":
    """A learning-rate scheduler by the name of its controller.

    Args:
        name: a controller plugin, such as `"wsd"`.
        optimizer: any torch optimizer; its groups keep their relative rates.
        total_steps: planned number of training steps; most controllers need it.
        mode: for controllers that listen to validations: `"min"` if the metric is better when lower, else `"max"`.
        registry: where to look the name up; everything installed by default.
        **hparams: the controller's hyperparameters; those left out have their defaults.

    Returns:
        A true `LRScheduler`: call `step()` after every training step, and `observe(metric)` after every validation
        where the controller listens to them.

    Raises:
        PluginError: the controller is unknown or requires a signal that a scheduler does not have.
        InputError: a hyperparameter is not valid, or `total_steps` is missing or not positive.

    Example:
        >>> import torch, metaopt
        >>> optimizer = torch.optim.SGD([torch.zeros(2, requires_grad=True)], lr=0.1)
        >>> scheduler = metaopt.create_scheduler("constant", optimizer, total_steps=100)
        >>> scheduler.get_last_lr()
        [0.1]
    """
    spec = (registry or current_registry()).get(ControllerSpec, name)
    values = resolve(spec.space, hparams, spec.name)
    return ControllerScheduler(optimizer, spec, values, total_steps=total_steps, mode=mode)


@final
class ControllerScheduler(LRScheduler):
    """A controller acting on the `lr` of an optimizer's groups.

    The rate of a group is `multiplier · initial_lr`; an absolute rate applies to the first group, and the others
    keep their ratio to it. Rates of cadence `table` are computed once and looked up; past the horizon the last one
    holds. A group added later takes part from the next `step()` on, with the `lr` it came with as its `initial_lr`.

    Args:
        optimizer: any torch optimizer.
        spec: the controller.
        values: all of its hyperparameters.
        total_steps: planned number of steps, or None.
        mode: orientation of the metric given to `observe`.
        supplies: signals that the host of this scheduler has.

    Attributes:
        spec: the controller.
        horizon: planned number of steps, or None.
        mode: orientation of the metric given to `observe`.
    """

    #: Whether a step past the plan is remarked upon: where it is a run's, whose other parts end there.
    warns_past_plan = False

    def __init__(
        self,
        optimizer: Optimizer,
        spec: ControllerSpec,
        values: Mapping[str, Value],
        *,
        total_steps: int | None = None,
        mode: Mode = "min",
        supplies: frozenset[str] = PLAIN_SIGNALS,
    ) -> None:
        self._required = spec.required(values)
        check_controller(spec, self._required, total_steps, mode, supplies)
        self.spec = spec
        self.horizon = None if total_steps is None else int(total_steps)
        self.mode: Mode = mode
        self._values, self._heard = dict(values), Heard()
        hparams = {key: number(value) for key, value in encode(spec.space, values).items()}
        self._loop = ClosedLoop(spec, hparams, total_steps, self._required & GRADIENT_SIGNALS)
        self._metric, self._rate = float("nan"), 1.0
        self._prepared = self._is_starting = False
        self._absolute = self._loop.first().absolute and spec.cadence == "table"
        self._table = RateLookup(spec, hparams, total_steps)
        self._is_table, self._needs_gradients = spec.cadence == "table", self.needs_gradients
        float_initial_rates(optimizer, spec)
        super().__init__(optimizer)

    @property
    def required(self) -> frozenset[str]:
        """Signals that the controller needs with these hyperparameters."""
        return self._required

    @property
    def needs_gradients(self) -> bool:
        """Whether `prepare` must be called between the backward pass and the optimizer's step."""
        return self.spec.cadence == "step" and bool(self._required & GRADIENT_SIGNALS)

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
        given = {"loss": loss, "gradient_norm": gradient_norm, "agreement": agreement}
        for key in sorted(self._required & GRADIENT_SIGNALS):
            if given[key] is None:
                raise InputError(f"The controller {self.spec.name!r} requires {key} at each step; pass {key}=.")
        self._ask({key: float(value.detach()) for key, value in given.items() if value is not None})
        self._prepared = True
        self._write()

    def pass_over(self) -> None:
        """In place of `prepare`, for a step that will not be taken: the rate stays, and the controller sees nothing."""
        self._prepared = True

    def step(self, epoch: int | None = None) -> None:
        """Move on to the next training step; call it after the optimizer's.

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
        if self._needs_gradients and not (self._is_starting or self._prepared):
            signals = ", ".join(sorted(self._required & GRADIENT_SIGNALS))
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

    def _at_the_end(self, horizon: int) -> None:
        if self.last_epoch == horizon + 1 and self.warns_past_plan:
            warn_past_the_plan(horizon)
        elif self.last_epoch == horizon and self.spec.cadence == "validation" and not self._heard.count:
            who = f"The controller {self.spec.name!r}"
            remedy = "scheduler.observe(metric), or run.observe(value),"
            warn_at_last(self, self._heard, who, horizon, remedy)

    def observe(self, metric: float) -> None:
        """Take in a validation metric; controllers that do not listen to validations ignore it.

        Args:
            metric: the value in the user's own orientation (see `mode`); NaN if it could not be computed.
        """
        self._metric = float(metric) if self.mode == "min" else -float(metric)
        self._heard.count += not math.isnan(self._metric)
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
        base = float(self.optimizer.param_groups[0]["initial_lr"]) if self._absolute else 1.0
        return self._rate / (base or 1.0)

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
            "state": self._loop.state,
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
        check_state(state_dict, mine, self.horizon)
        self.last_epoch = checked_count(state_dict["last_epoch"])
        self._step_count = checked_count(state_dict["step_count"])
        self._rate = float(state_dict["rate"])
        self._absolute = bool(state_dict["absolute"])
        self._metric = float(state_dict["metric"])
        self._heard.count += not math.isnan(self._metric)
        self._loop.load(state_dict["state"])
        self.base_lrs = checked_rates(state_dict["base_lrs"], len(self.optimizer.param_groups))
        self._last_lr = checked_rates(state_dict["last_lr"], len(self.optimizer.param_groups))
        if self._is_table:
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
        if self._is_table:
            self._rate = self._table.at(self.last_epoch)
        elif self.spec.cadence == "step" and not self._needs_gradients:
            self._ask({})

    def _ask(self, known: Mapping[str, float]) -> None:
        self._rate, self._absolute = self._loop.ask(max(self.last_epoch, 0), self._metric, known)

    def _scaled(self) -> list[float | Tensor]:
        # Few operations: an open loop's step takes no longer than this.
        bases: list[float | Tensor] = []
        rates: list[float | Tensor] = []
        unit = 1.0
        for group in self.optimizer.param_groups:
            if "initial_lr" not in group:
                group["initial_lr"] = float(group["lr"])
            base = float(group["initial_lr"])
            if self._absolute and not bases:
                unit = base or 1.0
            bases.append(base)
            rates.append(self._rate * (base / unit))
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
