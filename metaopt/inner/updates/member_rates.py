"""Learning-rate multipliers of all members at each step, whatever their controllers."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from metaopt.configuration import rate_table
from metaopt.contracts import ControllerState, Rate, StepInfo, Tensors
from metaopt.errors import PluginError
from metaopt.inner.member import Member
from metaopt.plugin import ControllerSpec

#: Signals that a step's batch makes; a controller does not see those of a skipped step.
_SEEN = frozenset({"loss", "gradient_norm", "agreement"})


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
        self._closed: list[_ClosedLoop] = []
        for name in sorted({member.assembly.controller.name for member in members}):
            rows = [row for row, member in enumerate(members) if member.assembly.controller.name == name]
            spec = members[rows[0]].assembly.controller
            hparams = _stacked([members[row] for row in rows])
            if spec.cadence == "table":
                rates, absolute = rate_table(spec, hparams, horizon, horizon)
                self._table[rows] = rates
                self._absolute[rows] = absolute
            else:
                looking = [bool(_SEEN & spec.required(members[row].assembly.controller_values)) for row in rows]
                self._closed.append(_ClosedLoop(spec, torch.tensor(rows), hparams, torch.tensor(looking)))

    def at(
        self, step: int, base: Tensor, losses: Tensor, signals: Mapping[str, Tensor], skipped: Tensor | None = None
    ) -> Tensor:
        """Learning rates for the step after `step` completed ones, shape (members,).

        Args:
            step: steps completed before.
            base: the members' `lr`, shape (members,).
            losses: training losses of this step's batches, shape (members,).
            signals: required signals, shape (members,) each.
            skipped: positions of members that take no step; controllers do not see what they would have seen of it.
        """
        rates = self._table[:, min(step, self._table.shape[1] - 1)]
        for loop in self._closed:
            if loop.spec.cadence == "step":
                loop.ask(step, self._horizon, losses, signals, skipped)
            rates = rates.index_copy(0, loop.rows, loop.rates.to(rates.dtype))
            self._absolute[loop.rows] = loop.absolute
        return torch.where(self._absolute, rates, rates * base).to(base.dtype)

    def validated(self, step: int, metric: Tensor) -> None:
        """Tell the controllers that listen to validations.

        Args:
            step: steps completed.
            metric: validation values, lower is better, shape (members,).
        """
        for loop in self._closed:
            if loop.spec.cadence == "validation":
                loop.ask(step, self._horizon, None, {"metric": metric})


class _ClosedLoop:
    """Members that share a closed-loop controller; `looking` says which of them it tells losses or gradients."""

    def __init__(self, spec: ControllerSpec, rows: Tensor, hparams: Mapping[str, Tensor], looking: Tensor) -> None:
        self.spec = spec
        self.rows = rows
        self.rates = torch.ones(len(rows), dtype=torch.float64)
        self.absolute = False
        self._hparams, self._looking = dict(hparams), looking
        # Controllers without hyperparameters still need something to hang the member axis on.
        start = torch.vmap(lambda values, _: spec.controller.init(values))
        self._state: ControllerState = start(self._hparams, self.rates)

    def ask(
        self,
        step: int,
        horizon: Tensor,
        losses: Tensor | None,
        signals: Mapping[str, Tensor],
        skipped: Tensor | None = None,
    ) -> None:
        mine = {name: value[self.rows] for name, value in signals.items()}
        loss = {} if losses is None else {"loss": losses[self.rows]}

        def one(
            state: ControllerState, hparams: Tensors, loss: Tensors, known: Tensors
        ) -> tuple[Tensor, ControllerState]:
            info = StepInfo(
                step=torch.tensor(float(step), dtype=torch.float64),
                horizon=horizon,
                loss=loss.get("loss"),
                signals=known,
            )
            rate, new = self.spec.controller.update(state, info, hparams)
            self.absolute = rate.absolute
            return _single(self.spec, rate), new

        rates, state = torch.vmap(one)(self._state, self._hparams, loss, mine)
        if skipped is not None:
            stays = self._looking & torch.isin(self.rows, skipped)
            rates = _kept(stays, self.rates, rates)
            state = {key: _kept(stays, self._state[key], value) for key, value in state.items()}
        self.rates, self._state = rates, state


def _kept(stays: Tensor, old: Tensor, new: Tensor) -> Tensor:
    return torch.where(stays.reshape(-1, *[1] * (new.ndim - 1)), old.to(new.dtype), new)


def _single(spec: ControllerSpec, rate: Rate) -> Tensor:
    if isinstance(rate.value, Tensor):
        return rate.value
    raise PluginError(f"The population engine needs one rate for all parameters, but {spec.name!r} gives one a name.")


def _stacked(members: Sequence[Member]) -> dict[str, Tensor]:
    numbers = [member.assembly.controller_numbers() for member in members]
    # float64, as in a deployed scheduler: a decay's first steps are differences of nearly equal numbers.
    return {name: torch.tensor([one[name] for one in numbers], dtype=torch.float64) for name in numbers[0]}
