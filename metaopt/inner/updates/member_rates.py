"""Learning-rate multipliers of all members at each step, whatever their controllers, warm-ups in front of them."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from metaopt.contracts import ControllerState, Rate, StepInfo, Tensors, warmup_multiplier
from metaopt.deploy import rate_table
from metaopt.errors import PluginError
from metaopt.inner.member import Member
from metaopt.plugin import ControllerSpec

#: Signals that a step's batch gives; a controller does not see those of a skipped step.
_BATCH_SIGNALS = frozenset({"loss", "gradient_norm", "agreement"})


class MemberRates:
    """Rates of a population: tables for open-loop controllers, vmapped states for the others.

    Args:
        members: all members of the population.
        horizon: planned number of steps; tables have this length.
    """

    def __init__(self, members: Sequence[Member], horizon: int) -> None:
        self._horizon = torch.tensor(float(horizon), dtype=torch.float64)
        self._table = torch.ones(len(members), horizon, dtype=torch.float64)
        self._absolute = torch.zeros(len(members), dtype=torch.bool)
        self._warmup = torch.tensor([member.assembly.configuration.warmup for member in members], dtype=torch.float64)
        self._warmed_up = math.ceil(float(self._warmup.max()) * horizon)
        self._feedback: list[_FeedbackControllers] = []
        for name in sorted({member.assembly.controller.name for member in members}):
            rows = [row for row, member in enumerate(members) if member.assembly.controller.name == name]
            spec = members[rows[0]].assembly.controller
            hparams = _stacked([members[row] for row in rows])
            if spec.cadence == "table":
                rates, absolute = rate_table(spec, hparams, horizon, horizon)
                self._table[rows] = rates
                self._absolute[rows] = absolute
            else:
                values = [members[row].assembly.controller_values for row in rows]
                sees_batch = torch.tensor([bool(_BATCH_SIGNALS & spec.required(own)) for own in values])
                self._feedback.append(_FeedbackControllers(spec, torch.tensor(rows), hparams, sees_batch))

    def at(
        self, step: int, base: Tensor, losses: Tensor, signals: Mapping[str, Tensor], skipped: Tensor | None = None
    ) -> Tensor:
        """Learning rates for the step after `step` completed ones, shape (members,).

        Args:
            step: steps completed before.
            base: the members' `lr`, shape (members,).
            losses: training losses of this step's batches, shape (members,).
            signals: required signals, shape (members,) each.
            skipped: positions of members that take no step; controllers do not see its loss and gradients.
        """
        rates = self._table[:, min(step, self._table.shape[1] - 1)]
        for controllers in self._feedback:
            if controllers.spec.cadence == "step":
                controllers.update(step, self._horizon, losses, signals, skipped)
            rates = rates.index_copy(0, controllers.rows, controllers.rates.to(rates.dtype))
            self._absolute[controllers.rows] = controllers.absolute
        if step < self._warmed_up:
            risen = warmup_multiplier(torch.tensor(float(step), dtype=torch.float64), self._horizon, self._warmup)
            rates = torch.where(self._absolute, rates, rates * risen)
        return torch.where(self._absolute, rates, rates * base).to(base.dtype)

    def validated(self, step: int, metric: Tensor) -> None:
        """Update the controllers that are asked after validations.

        Args:
            step: steps completed.
            metric: validation values, lower is better, shape (members,).
        """
        for controllers in self._feedback:
            if controllers.spec.cadence == "validation":
                controllers.update(step, self._horizon, None, {"metric": metric})


class _FeedbackControllers:
    """The controllers of members that share a closed-loop plugin; `sees_batch`: which see losses or gradients."""

    def __init__(self, spec: ControllerSpec, rows: Tensor, hparams: Mapping[str, Tensor], sees_batch: Tensor) -> None:
        self.spec = spec
        self.rows = rows
        self.rates = torch.ones(len(rows), dtype=torch.float64)
        self.absolute = False
        self._hparams, self._sees_batch = dict(hparams), sees_batch
        # Controllers without hyperparameters still need something to hang the member axis on.
        start = torch.vmap(lambda values, _: spec.controller.init(values))
        self._state: ControllerState = start(self._hparams, self.rates)

    def update(
        self,
        step: int,
        horizon: Tensor,
        losses: Tensor | None,
        signals: Mapping[str, Tensor],
        skipped: Tensor | None = None,
    ) -> None:
        own_signals = {name: value[self.rows] for name, value in signals.items()}
        loss = {} if losses is None else {"loss": losses[self.rows]}

        def update_one(
            state: ControllerState, hparams: Tensors, loss: Tensors, signals: Tensors
        ) -> tuple[Tensor, ControllerState]:
            info = StepInfo(
                step=torch.tensor(float(step), dtype=torch.float64),
                horizon=horizon,
                loss=loss.get("loss"),
                signals=signals,
            )
            rate, new = self.spec.controller.update(state, info, hparams)
            self.absolute = rate.absolute
            return _single(self.spec, rate), new

        rates, state = torch.vmap(update_one)(self._state, self._hparams, loss, own_signals)
        if skipped is not None:
            stays = self._sees_batch & torch.isin(self.rows, skipped)
            rates = _unless(stays, self.rates, rates)
            state = {key: _unless(stays, self._state[key], value) for key, value in state.items()}
        self.rates, self._state = rates, state


def _unless(stays: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """The new rows, but the old ones of members that stay."""
    return torch.where(stays.reshape(-1, *[1] * (new.ndim - 1)), old.to(new.dtype), new)


def _single(spec: ControllerSpec, rate: Rate) -> Tensor:
    if isinstance(rate.value, Tensor):
        return rate.value
    raise PluginError(f"The population engine needs one rate for all parameters, but {spec.name!r} gives one a name.")


def _stacked(members: Sequence[Member]) -> dict[str, Tensor]:
    numbers = [member.assembly.controller_numbers() for member in members]
    # float64, as in a deployed scheduler: a decay's first steps are differences of nearly equal numbers.
    return {name: torch.tensor([own[name] for own in numbers], dtype=torch.float64) for name in numbers[0]}
