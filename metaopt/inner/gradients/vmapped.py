"""Gradients of all members at once, by vmap over a pure function of the parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value

from metaopt.contracts import Params, Split, Splits, Task, Tensors, default_for
from metaopt.inner.gradients.batches import first_inputs
from metaopt.inner.gradients.resampling import resampled_metric
from metaopt.inner.updates.layout import Flats, Layout
from metaopt.pure_layers import batched
from metaopt.seeding import seeded
from metaopt.signals import GradientMoments, evidence
from metaopt.tracing import GraphCache, GraphMode

#: Members whose gradients are taken together; more are taken in further blocks.
BLOCK = 64
#: Numbers of members are rounded up to a multiple of this, so that few of them are ever traced or compiled.
MULTIPLE: Mapping[GraphMode, int] = {"eager": 1, "replayed": 8, "compiled": BLOCK}
#: Numbers of single examples' gradients that are held at once.
SINGLE_GRADIENTS = 16_777_216
#: Members that are evaluated together, on more examples than a batch has.
EVALUATION_BLOCK: Mapping[GraphMode, int] = {"eager": 16, "replayed": 16, "compiled": BLOCK}


def padded(count: int, mode: GraphMode) -> int:
    """Rows that a population of `count` members takes; the last ones are idle copies."""
    multiple = MULTIPLE[mode]
    return -(-count // multiple) * multiple


@dataclass(frozen=True)
class Constants:
    """What a model needs beside its trained parameters: buffers, and parameters that do not require gradients.

    Attributes:
        values: by name; of shape (rows, *shape) where they depend on the seed.
        own: names of those that do.
    """

    values: Tensors
    own: frozenset[str]

    @classmethod
    def of(cls, modules: Sequence[nn.Module]) -> "Constants":
        """The constants of one module for each row; those that are the same in all of them are held once."""
        rows = [_constants(module) for module in modules]
        own = frozenset(name for name, value in rows[0].items() if not all(torch.equal(value, r[name]) for r in rows))
        values = {
            name: torch.stack([constants[name] for constants in rows]) if name in own else value
            for name, value in rows[0].items()
        }
        return cls(values, own)

    def block(self, rows: slice) -> Tensors:
        """The constants of some rows."""
        return {name: value[rows] if name in self.own else value for name, value in self.values.items()}


class VmappedTask:
    """A task's loss and metric as functions of the flat parameters of many members, with the graphs made so far.

    Args:
        task: whose loss and metric to take. It is not held: `Graphs` holds this for as long as the task lives.
        module: any model of the task; only its structure is used.

    Attributes:
        layout: of the parameters.
        module: a model, of which the structure is used.
        graphs: those made so far.
    """

    def __init__(self, task: Task, module: nn.Module) -> None:
        self.layout = Layout(module, first_inputs(task))
        self.module = module
        self._loss, self._metric, self._sign = task.loss, task.metric or task.loss, task.sign
        self.graphs = GraphCache()
        self._flops: int | None = None

    def batch_flops(self, task: Task) -> int:
        """Floating-point operations of products and convolutions in one member's forward pass of a batch of the task.

        Args:
            task: the one that this was made from, or a draw of it.
        """
        if self._flops is None:
            from torch.utils.flop_counter import FlopCounterMode  # with sympy, which recorded graphs need too: 1.8 s

            inputs = first_inputs(task)
            with FlopCounterMode(display=False) as counter, torch.no_grad(), seeded(0), default_for(lambda: (inputs,)):
                self.module.train()(inputs)
            self._flops = counter.get_total_flops() // len(inputs)
        return self._flops * task.batch_size

    def gradients(
        self, flats: Flats, constants: Tensors, inputs: Tensor, targets: Tensor, own: frozenset[str], shared: bool
    ) -> tuple[Flats, Tensor]:
        """Gradients and losses of a block of members.

        Args:
            flats: parameters, of shape (block, coordinates).
            constants: by name.
            inputs: of shape (batch, …) if shared, else (block, batch, …).
            targets: likewise.
            own: names of constants with a leading block axis.
            shared: whether all members see the same batch.
        """
        self.module.train()
        data = None if shared else 0
        axes = (0, {name: 0 if name in own else None for name in constants}, data, data)
        grads, losses = torch.vmap(grad_and_value(self._loss_of), in_dims=axes)(
            self.layout.split(flats), constants, inputs, targets
        )
        return self.layout.join(grads), losses.detach()

    def metrics(
        self, flats: Flats, constants: Tensors, data: Sequence[Tensor], own: frozenset[str]
    ) -> tuple[Tensor, ...]:
        """The metric of a block of members, lower is better, on each split.

        Args:
            flats: parameters, of shape (block, coordinates).
            constants: by name.
            data: inputs and targets of the splits in turn.
            own: names of constants with a leading block axis.
        """
        self.module.eval()
        axes = (0, {name: 0 if name in own else None for name in constants}, None, None)
        measure = torch.vmap(self._metric_of, in_dims=axes)
        views = self.layout.split(flats)
        pairs = zip(data[::2], data[1::2], strict=True)
        return tuple(measure(views, constants, inputs, targets) for inputs, targets in pairs)

    def resampled(self, flats: Flats, constants: Tensors, own: frozenset[str], split: Split, rows: Tensor) -> Tensor:
        """The metric of a block of members on examples drawn with replacement, shape (block, draws).

        Args:
            flats: parameters, of shape (block, coordinates).
            constants: by name.
            own: names of constants with a leading block axis.
            split: whose examples.
            rows: those of each draw, of shape (draws, examples).
        """
        self.module.eval()

        def measured(params: Tensors, values: Tensors) -> Tensor:
            with default_for(lambda: (split.inputs, split.targets)):
                output = self._output(values, params, split.inputs)
                return resampled_metric(self._measure, output, split.targets, rows)

        axes = (0, {name: 0 if name in own else None for name in constants})
        answer: Tensor = torch.vmap(measured, in_dims=axes)(self.layout.split(flats), constants)
        return answer

    def evidence(
        self, flats: Flats, constants: Tensors, own: frozenset[str], inputs: Tensor, targets: Tensor
    ) -> Tensor:
        """The signal `evidence` of a block of members (see `metaopt.signals.evidence`), shape (block,).

        Args:
            flats: parameters, of shape (block, coordinates).
            constants: by name.
            own: names of constants with a leading block axis.
            inputs: training examples, the same for all members, of shape (examples, …).
            targets: likewise.
        """
        self.module.train()
        views = self.layout.split(flats)
        each = torch.vmap(grad(self._loss_of_one), in_dims=(None, None, 0, 0))
        axes = (0, {name: 0 if name in own else None for name in constants}, None, None)
        numbers = sum(view.numel() for view in views.values())
        moments: dict[str, GradientMoments] = {}
        size = max(1, SINGLE_GRADIENTS // max(numbers, 1))
        for rows, answers in zip(inputs.split(size), targets.split(size), strict=True):
            for name, gradient in torch.vmap(each, in_dims=axes)(views, constants, rows, answers).items():
                flat = gradient.flatten(2) if gradient.ndim > 2 else gradient.unsqueeze(2)
                part = GradientMoments.of(flat, dim=1)
                moments[name] = moments[name].joined(part) if name in moments else part
        return evidence(moments.values())

    def run(
        self, function: Callable[..., Any], mode: GraphMode, tensors: tuple[Any, ...], settings: tuple[Any, ...]
    ) -> Any:
        """`function(*tensors, *settings)`, one of the above; see `GraphCache`."""
        return self.graphs.run(function, mode, tensors, settings)

    def _loss_of(self, params: Tensors, constants: Tensors, inputs: Tensor, targets: Tensor) -> Tensor:
        with default_for(lambda: (inputs, targets)):
            return self._loss(self._output(constants, params, inputs), targets)

    def _loss_of_one(self, params: Tensors, constants: Tensors, example: Tensor, target: Tensor) -> Tensor:
        return self._loss_of(params, constants, example.unsqueeze(0), target.unsqueeze(0))

    def _metric_of(self, params: Tensors, constants: Tensors, inputs: Tensor, targets: Tensor) -> Tensor:
        with default_for(lambda: (inputs, targets)):
            return self._measure(self._output(constants, params, inputs), targets)

    def _measure(self, output: Tensor, targets: Tensor) -> Tensor:
        return self._sign * self._metric(output, targets)

    def _output(self, constants: Tensors, params: Tensors, inputs: Tensor) -> Any:
        with batched():
            return functional_call(self.module, {**constants, **params}, (inputs,))


class VmappedGradients:
    """See `GradientSource`; the rows of a population go through in blocks.

    Args:
        task: the task's functions.
        constants: of all rows.
        shared: whether all members see the same batches, which folds them into fewer, larger products.
        mode: how graphs are run.
    """

    has_buffers = False

    def __init__(self, task: VmappedTask, constants: Constants, *, shared: bool, mode: GraphMode) -> None:
        self._task = task
        self._constants = constants
        self._shared = shared
        self._mode = mode

    def gradients(self, flats: Params, inputs: Tensor, targets: Tensor) -> tuple[Flats, Tensor]:
        """See `GradientSource`."""
        blocks: list[tuple[Flats, Tensor]] = []
        for rows in _blocks(flats, BLOCK):
            data = (inputs, targets) if self._shared else (inputs[rows], targets[rows])
            tensors = (_rows(flats, rows), self._constants.block(rows), *data)
            settings = (self._constants.own, self._shared)
            blocks.append(self._task.run(self._task.gradients, self._mode, tensors, settings))
        if len(blocks) == 1:
            return blocks[0]
        gradients = {key: torch.cat([grads[key] for grads, _ in blocks]) for key in flats}
        return gradients, torch.cat([losses for _, losses in blocks])

    @torch.no_grad()
    def evaluate(self, flats: Params, splits: Splits) -> tuple[Tensor, Tensor]:
        """See `GradientSource`."""
        data = [splits.validation.inputs, splits.validation.targets, splits.test.inputs, splits.test.targets]
        blocks = []
        for rows in _blocks(flats, EVALUATION_BLOCK[self._mode]):
            tensors = (_rows(flats, rows), self._constants.block(rows), data)
            blocks.append(self._task.run(self._task.metrics, self._mode, tensors, (self._constants.own,)))
        validation, test = (torch.cat(parts) for parts in zip(*blocks, strict=True))
        return validation, test

    def evidence(self, flats: Params, examples: Split) -> Tensor:
        """See `GradientSource`."""
        blocks = []
        for rows in _blocks(flats, BLOCK):
            block = _rows(flats, rows), self._constants.block(rows), self._constants.own
            blocks.append(self._task.evidence(*block, examples.inputs, examples.targets))
        return torch.cat(blocks)

    @torch.no_grad()
    def resampled(self, flats: Params, split: Split, rows: Tensor) -> Tensor:
        """See `GradientSource`."""
        blocks = []
        for members in _blocks(flats, EVALUATION_BLOCK["eager"]):
            block = _rows(flats, members), self._constants.block(members), self._constants.own
            blocks.append(self._task.resampled(*block, split, rows))
        return torch.cat(blocks)


def _constants(module: nn.Module) -> Tensors:
    frozen = {name: param.detach() for name, param in module.named_parameters() if not param.requires_grad}
    return {**frozen, **dict(module.named_buffers())}


def _blocks(flats: Params, size: int) -> list[slice]:
    count = len(next(iter(flats.values())))
    return [slice(begin, min(begin + size, count)) for begin in range(0, count, size)]


def _rows(flats: Params, rows: slice) -> Flats:
    return {key: flat[rows] for key, flat in flats.items()}
