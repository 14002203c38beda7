"""Where a population's gradients and validation values come from: all members at once, or one after the other."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from metaopt.contracts import Split, Task, Tensors

#: Largest number of (member, example) pairs that one vmapped evaluation holds in memory at once.
EVALUATION_PAIRS = 65_536


class GradientSource(Protocol):
    """Computes gradients and metrics of all members of a population."""

    def gradients(self, params: Tensors, batch: Split) -> tuple[Tensors, Tensor]:
        """Gradients by parameter's name, of shape (members, *shape), and training losses, of shape (members,).

        Args:
            params: of shape (members, *shape).
            batch: one batch for all members, or with a leading member axis.
        """
        ...

    def evaluate(self, params: Tensors, split: Split) -> Tensor:
        """The metric of each member on a whole split, lower is better, shape (members,)."""
        ...


class VmappedGradients:
    """All members at once, by vmap over a pure function of the parameters.

    Args:
        task: whose loss and metric to take.
        module: any model of the task; only its structure and its buffers are used.
        shared: whether all members see the same batches, which folds them into fewer, larger products.
    """

    def __init__(self, task: Task, module: nn.Module, *, shared: bool) -> None:
        self._task = task
        self._module = module
        self._buffers = dict(module.named_buffers())
        data_axis = None if shared else 0
        self._gradients = torch.vmap(grad_and_value(self._loss), in_dims=(0, data_axis, data_axis))
        self._metrics = torch.vmap(self._metric, in_dims=(0, None, None))

    def gradients(self, params: Tensors, batch: Split) -> tuple[Tensors, Tensor]:
        """See `GradientSource`."""
        self._module.train()
        grads, losses = self._gradients(params, batch.inputs, batch.targets)
        return grads, losses.detach()

    @torch.no_grad()
    def evaluate(self, params: Tensors, split: Split) -> Tensor:
        """See `GradientSource`; members go through in blocks of bounded memory."""
        self._module.eval()
        members = len(next(iter(params.values())))
        block = max(1, EVALUATION_PAIRS // len(split))
        parts = []
        for begin in range(0, members, block):
            some = {name: value[begin : begin + block] for name, value in params.items()}
            parts.append(self._metrics(some, split.inputs, split.targets))
        return torch.cat(parts)

    def _loss(self, params: Tensors, inputs: Tensor, targets: Tensor) -> Tensor:
        return self._task.loss(functional_call(self._module, (params, self._buffers), (inputs,)), targets)

    def _metric(self, params: Tensors, inputs: Tensor, targets: Tensor) -> Tensor:
        return self._task.measure(functional_call(self._module, (params, self._buffers), (inputs,)), targets)


class LoopedGradients:
    """One member after the other, each with a real module of its own: BatchNorm, dropout and RNNs work as usual.

    Args:
        task: whose loss and metric to take.
        modules: one for each member; they keep their own buffers.
        seeds: one for each member; dropout masks depend on these alone, whoever else is in the population.
    """

    def __init__(self, task: Task, modules: list[nn.Module], seeds: list[int]) -> None:
        self._task = task
        self._modules = modules
        self._names = [[name for name, _ in module.named_parameters()] for module in modules]
        self._states = [_generator_state(seed) for seed in seeds]

    def gradients(self, params: Tensors, batch: Split) -> tuple[Tensors, Tensor]:
        """See `GradientSource`."""
        found: list[Sequence[Tensor | None]] = []
        losses = []
        for index, module in enumerate(self._modules):
            _write(module, params, index)
            inputs, targets = _for_member(batch, index)
            with torch.random.fork_rng(devices=[]):
                torch.set_rng_state(self._states[index])
                loss = self._task.loss(module.train()(inputs), targets)
                self._states[index] = torch.get_rng_state()
            grads = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
            losses.append(loss.detach())
            found.append(grads)
        return self._stack(found, params), torch.stack(losses)

    @torch.no_grad()
    def evaluate(self, params: Tensors, split: Split) -> Tensor:
        """See `GradientSource`."""
        values = []
        for index, module in enumerate(self._modules):
            _write(module, params, index)
            values.append(self._task.measure(module.eval()(split.inputs), split.targets))
        return torch.stack(values)

    def _stack(self, found: Sequence[Sequence[Tensor | None]], params: Tensors) -> Tensors:
        stacked: Tensors = {}
        for position, name in enumerate(self._names[0]):
            rows = [row[position] for row in found]
            zeros = torch.zeros_like(params[name][0])
            stacked[name] = torch.stack([zeros if row is None else row for row in rows])
        return stacked


def _write(module: nn.Module, params: Tensors, index: int) -> None:
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(params[name][index])


def _for_member(batch: Split, index: int) -> tuple[Tensor, Tensor]:
    if isinstance(batch, MemberBatch):
        return batch.inputs[index], batch.targets[index]
    return batch.inputs, batch.targets


class MemberBatch(Split):
    """A batch with a leading member axis: inputs of shape (members, batch, …)."""


def _generator_state(seed: int) -> Tensor:
    return torch.Generator().manual_seed(seed).get_state()
