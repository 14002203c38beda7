"""Gradients of one member after the other: BatchNorm, dropout and RNNs work as usual."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from metaopt.contracts import MultiTask, Params, Split, Splits, Task, default_for
from metaopt.inner.gradients.balanced import is_balanced
from metaopt.inner.gradients.resampling import resampled_metric
from metaopt.inner.member import Member
from metaopt.inner.updates.layout import Flats, Layout
from metaopt.multitask import ModuleBalance


class LoopedGradients:
    """See `GradientSource`; each member has a real module of its own.

    Args:
        task: whose loss and metric to take.
        layout: of the parameters.
        modules: one for each member; they keep their own buffers.
        seeds: one for each member; dropout masks depend on these alone, whoever else is in the population.
        shared: whether all members see the same batches.
        balances: of tasks that share a trunk, what makes one gradient of theirs, for each member or None.
    """

    has_buffers = True

    def __init__(
        self,
        task: Task,
        layout: Layout,
        modules: Sequence[nn.Module],
        seeds: Sequence[int],
        *,
        shared: bool,
        balances: Sequence[ModuleBalance | None] | None = None,
    ) -> None:
        self._task = task
        self._layout = layout
        self._modules = modules
        self._states = [torch.Generator().manual_seed(seed).get_state() for seed in seeds]
        self._shared = shared
        self._balances = balances or [None] * len(modules)
        self._num_steps = 0

    def gradients(self, flats: Params, inputs: Tensor, targets: Tensor) -> tuple[Flats, Tensor]:
        """See `GradientSource`."""
        self._write(flats)
        rows, losses = [], []
        for index in range(len(self._modules)):
            own = (inputs, targets) if self._shared else (inputs[index], targets[index])
            loss, grads = self.gradients_at(index, self._num_steps, *own)
            rows.append(grads)
            losses.append(loss)
        self._num_steps += 1
        return self._layout.stack(rows), torch.stack(losses)

    def gradients_at(
        self, index: int, step: int, inputs: Tensor, targets: Tensor, *, graph: bool = False
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """A member's training loss, detached, and its gradients by name, with its module's parameters as they are."""
        balance, module = self._balances[index], self._modules[index]
        if balance is None:
            loss = self.loss(index, inputs, targets)
            return loss.detach(), gradients_of(loss, module, graph=graph)
        assert isinstance(self._task, MultiTask)
        module.zero_grad()
        with self._generator(index), default_for(lambda: (inputs, targets)), torch.enable_grad():
            losses = self._task.losses.separate(module.train()(inputs), targets)
            loss = balance.backward(losses, step)
        params = {name: param for name, param in module.named_parameters() if param.requires_grad}
        grads = {name: torch.zeros_like(own) if own.grad is None else own.grad.clone() for name, own in params.items()}
        module.zero_grad()
        return loss, grads

    def loss(self, index: int, inputs: Tensor, targets: Tensor) -> Tensor:
        """A member's training loss on its batch, 0-d, with its module's parameters as they are."""
        with self._generator(index), default_for(lambda: (inputs, targets)):
            return self._task.loss(self._modules[index].train()(inputs), targets)

    @torch.no_grad()
    def evaluate(self, flats: Params, splits: Splits) -> tuple[Tensor, Tensor]:
        """See `GradientSource`."""
        self._write(flats)
        validation, test = (
            torch.stack([self._measure(index, split) for index in range(len(self._modules))])
            for split in (splits.validation, splits.test)
        )
        return validation, test

    def evidence(self, flats: Params, examples: Split) -> Tensor:
        """See `GradientSource`."""
        return torch.full((len(self._modules),), torch.nan)

    @torch.no_grad()
    def resampled(self, flats: Params, split: Split, rows: Tensor) -> Tensor:
        """See `GradientSource`."""
        self._write(flats)
        return torch.stack([self._resampled(index, split, rows) for index in range(len(self._modules))])

    def _resampled(self, index: int, split: Split, rows: Tensor) -> Tensor:
        with self._generator(index), default_for(lambda: (split.inputs, split.targets)):
            output = self._modules[index].eval()(split.inputs)
            return resampled_metric(self._task.measure, output, split.targets, rows)

    def _measure(self, index: int, split: Split) -> Tensor:
        with self._generator(index), default_for(lambda: (split.inputs, split.targets)):
            return self._task.measure(self._modules[index].eval()(split.inputs), split.targets)

    def _write(self, flats: Params) -> None:
        views = self._layout.split(flats)
        with torch.no_grad():
            for index, module in enumerate(self._modules):
                for name, parameter in module.named_parameters():
                    if name in views:
                        parameter.copy_(views[name][index])

    @contextmanager
    def _generator(self, index: int) -> Iterator[None]:
        """Random numbers inside come from the member's own stream."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._states[index])
            yield
            self._states[index] = torch.get_rng_state()


def gradients_of(loss: Tensor, module: nn.Module, *, graph: bool = False) -> dict[str, Tensor]:
    """Gradients of a loss by name, zeros for parameters that it does not depend on; `graph` to go through them."""
    params = {name: param for name, param in module.named_parameters() if param.requires_grad}
    grads = torch.autograd.grad(
        loss, list(params.values()), create_graph=graph, allow_unused=True, materialize_grads=True
    )
    return dict(zip(params, grads, strict=True))


def balances_of(
    task: Task, members: Sequence[Member], modules: Sequence[nn.Module]
) -> list[ModuleBalance | None] | None:
    """What makes one gradient of those of several tasks, for each member that weighs or operates; None without any."""
    if not is_balanced(task, members):
        return None
    return [
        None if own.balance.is_plain else ModuleBalance(own.balance, own.hparams(), module, task.num_steps)
        for own, module in zip([member.assembly.tasks for member in members], modules, strict=True)
    ]
