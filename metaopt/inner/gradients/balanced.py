"""Gradients of members whose configurations weigh the losses of several tasks, or operate on their gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, final

import torch
from torch import Tensor

from metaopt.contracts import (
    BalanceState,
    MultiTask,
    Params,
    SharedTrunk,
    Split,
    Splits,
    Task,
    Tensors,
)
from metaopt.inner.gradients.balanced_step import BalancedStep
from metaopt.inner.gradients.vmapped import Constants, VmappedGradients, VmappedTask
from metaopt.inner.member import Member
from metaopt.inner.updates.layout import Flats
from metaopt.multitask import Balance, BalanceHparams
from metaopt.tracing import GraphMode


def is_balanced(task: object, members: Sequence[Member]) -> bool:
    """Whether any member of a task of several tasks weighs or operates."""
    return isinstance(task, MultiTask) and any(not member.assembly.tasks.balance.is_plain for member in members)


def balanced_if_any(
    task: Task,
    members: Sequence[Member],
    vmapped: VmappedTask,
    constants: Constants,
    plain: VmappedGradients,
    shared: bool,
    mode: GraphMode,
) -> "VmappedGradients | BalancedGradients":
    """A population's source of gradients: the plain one where no member weighs or operates."""
    if not isinstance(task, MultiTask) or not is_balanced(task, members):
        return plain
    return BalancedGradients(task, members, vmapped, constants, plain, shared=shared, mode=mode)


@dataclass
class _Group:
    """Members that share a weighting and a surgery; `rows` are their places, `state` what they remember."""

    balance: Balance
    rows: Tensor
    hparams: BalanceHparams
    state: BalanceState
    constants: Tensors


@final
class BalancedGradients:
    """See `GradientSource`.

    Args:
        task: whose losses to take.
        members: of the population, in their order.
        vmapped: the task's functions, with their graphs.
        constants: of all rows.
        source: of the same population; evaluates.
        shared: whether all members see the same batches.
        mode: how graphs are run; compiled ones are replayed, for groups are of any size.
    """

    has_buffers = False

    def __init__(
        self,
        task: MultiTask,
        members: Sequence[Member],
        vmapped: VmappedTask,
        constants: Constants,
        source: VmappedGradients,
        *,
        shared: bool,
        mode: GraphMode,
    ) -> None:
        self._source, self._shared, self._own = source, shared, constants.own
        self._mode: GraphMode = "replayed" if mode == "compiled" else mode
        assert isinstance(vmapped.module, SharedTrunk)
        self._step = BalancedStep.of(vmapped, vmapped.module, task.losses, task.name)
        self._graphs = vmapped.graphs
        self._horizon = torch.tensor(float(task.num_steps))
        self._num_steps = 0
        balances = [member.assembly.tasks.balance for member in members]
        first = {balance: place for place, balance in reversed(list(enumerate(balances)))}
        order = sorted(range(len(members)), key=lambda row: (first[balances[row]], row))
        self._groups = [
            self._group(balance, list(rows), members, constants, len(task.tasks))
            for balance, rows in groupby(order, key=lambda row: balances[row])
        ]

    def gradients(self, flats: Params, inputs: Tensor, targets: Tensor) -> tuple[Flats, Tensor]:
        """See `GradientSource`; losses are means without weights. Rows without a member have no gradient."""
        gradients = {key: torch.zeros_like(flat) for key, flat in flats.items()}
        losses = torch.zeros(len(next(iter(flats.values()))))
        numbers = {"step": torch.tensor(float(self._num_steps)), "horizon": self._horizon}
        for group in self._groups:
            own = {key: flat[group.rows] for key, flat in flats.items()}
            data = (inputs, targets) if self._shared else (inputs[group.rows], targets[group.rows])
            tensors = (own, group.constants, *data, dict(group.hparams), group.state, numbers)
            settings = (self._own, self._shared, group.balance)
            answer: Any = self._graphs.run(self._step, self._mode, tensors, settings)
            grads, own_losses, group.state = answer
            for key, flat in gradients.items():
                flat[group.rows] = grads[key]
            losses = losses.to(own_losses.dtype).index_copy(0, group.rows, own_losses)
        self._num_steps += 1
        return gradients, losses

    def evaluate(self, flats: Params, splits: Splits) -> tuple[Tensor, Tensor]:
        """See `GradientSource`."""
        return self._source.evaluate(flats, splits)

    def evidence(self, flats: Params, examples: Split) -> Tensor:
        """See `GradientSource`."""
        return self._source.evidence(flats, examples)

    def resampled(self, flats: Params, split: Split, rows: Tensor) -> Tensor:
        """See `GradientSource`."""
        return self._source.resampled(flats, split, rows)

    @staticmethod
    def _group(
        balance: Balance, places: list[int], members: Sequence[Member], constants: Constants, tasks: int
    ) -> _Group:
        rows = torch.tensor(places)
        own = [members[place].assembly.tasks for place in places]
        numbers = [each.numbers() for each in own]
        hparams = {
            owner: {name: torch.tensor([each[owner][name] for each in numbers]) for name in numbers[0][owner]}
            for owner in numbers[0]
        }
        states = [balance.init(tasks, each.hparams()) for each in own]
        state = {name: torch.stack([each[name] for each in states]) for name in states[0]}
        values = {name: value[rows] if name in constants.own else value for name, value in constants.values.items()}
        return _Group(balance, rows, hparams, state, values)
