"""What populations share: graphs of tasks and rules, and whether a task is vmapped, or goes through the plain loop."""

from collections.abc import Iterable
from typing import Any, final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from metaopt.contracts import Task, check_trains, default_for
from metaopt.errors import InputError, named_line
from metaopt.inner.gradients.vmapped import Constants, VmappedTask
from metaopt.inner.updates.rule_step import RuleGraphs
from metaopt.seeding import seeded

_TRIAL_MEMBERS = 2


@final
class Graphs:
    """Graphs for any number of populations: they live as long as this object, those of a task no longer than the task.

    Making a graph takes milliseconds where operations are replayed, seconds where they are compiled. Whoever trains
    several populations holds one of these and gives it to each call of `train`.

    Attributes:
        rules: graphs of rules.
        refusing: optimizers of which it was said that their class refused to train with some hyperparameters.
    """

    def __init__(self) -> None:
        self.rules = RuleGraphs()
        self.refusing: set[str] = set()
        self._tasks: WeakKeyDictionary[Task, VmappedTask] = WeakKeyDictionary()
        self._loop_reasons: WeakKeyDictionary[Task, str | None] = WeakKeyDictionary()

    def of_task(self, task: Task) -> VmappedTask:
        """The task's loss and metric as functions of many members, with their graphs."""
        vmapped = self._tasks.get(task)
        if vmapped is None:
            vmapped = self._tasks[task] = VmappedTask(task, task.build(0))
        return vmapped

    def share(self, task: Task, other: Task) -> None:
        """Let a task use the graphs of another one, from which it differs only in how long it is trained."""
        self._tasks[task] = self.of_task(other)

    def loop_reason(self, task: Task) -> str | None:
        """See `loop_reason`; found out once for each task."""
        if task not in self._loop_reasons:
            self._loop_reasons[task] = loop_reason(task)
        return self._loop_reasons[task]


def loop_reason(task: Task) -> str | None:
    """Why `task` must go through the plain loop, in one line, or None if it can be vmapped.

    Raises:
        InputError: it can be trained in neither way.
    """
    module = task.build(0)
    check_trains(task.name, module)
    return _known_obstacle(module) or _failed_trial(task, module)


def failure(
    name: str, what: str, error: Exception, inputs: Tensor, targets: Tensor, params: Iterable[Tensor]
) -> InputError:
    """An error of one sentence for what a task's own code raised.

    Args:
        name: of the task.
        what: was computed, such as `"a batch"`.
        error: what it raised.
        inputs: what the model was given.
        targets: what its output was compared with.
        params: of the model.
    """
    return InputError(
        f"Task {name!r}: the model, the loss or the metric fails on {what}, inputs of shape {tuple(inputs.shape)} with "
        f"targets of shape {tuple(targets.shape)}: {named_line(error)}. {_advice(inputs, params)}"
    )


def _advice(inputs: Tensor, params: Iterable[Tensor]) -> str:
    dtypes = {param.dtype for param in params if param.is_floating_point()}
    if inputs.is_floating_point() and inputs.dtype not in dtypes and len(dtypes) == 1:
        own, other = (str(dtype).removeprefix("torch.") for dtype in (*dtypes, inputs.dtype))
        return f"The model is in {own} and its inputs are in {other}: give both one dtype."
    return "Try loss(model(inputs), targets) by itself."


def _known_obstacle(module: nn.Module) -> str | None:
    for name, layer in module.named_modules():
        kind = f"{type(layer).__name__} {name!r}"
        if isinstance(layer, nn.modules.batchnorm._NormBase) and layer.track_running_stats:
            return f"{kind} writes running statistics in place"
        if isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0:
            return f"{kind} draws masks that would depend on the population's size"
        if isinstance(layer, nn.RNNBase):
            return f"{kind} has no rule for vmap; cells written with plain arithmetic have"
    return None


def _failed_trial(task: Task, module: nn.Module) -> str | None:
    trial, before = VmappedTask(task, module), _traces(module)
    constants = Constants.of([module])
    flats = trial.layout.stack([dict(module.named_parameters())] * _TRIAL_MEMBERS)
    train = task.splits.train
    data = [train.inputs[:_TRIAL_MEMBERS], train.targets[:_TRIAL_MEMBERS]]
    own = [torch.stack([tensor] * _TRIAL_MEMBERS) for tensor in data]
    try:
        trial.gradients(flats, constants.values, data[0], data[1], constants.own, True)
        trial.gradients(flats, constants.values, own[0], own[1], constants.own, False)
        trial.metrics(flats, constants.values, data, constants.own)
    except Exception as error:  # any failure of a stranger's model under vmap sends it to the loop
        _check_runs(task)
        return f"vmap fails with {named_line(error)}"
    changed = sorted(name for name, value in _traces(module).items() if not _equal(before.get(name), value))
    return f"{changed[0]!r} changes in the forward pass, and would be shared by all members" if changed else None


@torch.no_grad()
def _check_runs(task: Task) -> None:
    """Take the loss of one batch as the loop would; a model that fails at that as well is not one for the loop."""
    module, train = task.build(0), task.splits.train
    inputs, targets = train.inputs[: task.batch_size], train.targets[: task.batch_size]
    try:
        with seeded(0), default_for(lambda: (inputs, targets)):
            task.loss(module.train()(inputs), targets)
    except Exception as error:
        raise failure(task.name, "a batch", error, inputs, targets, module.parameters()) from error


def _traces(module: nn.Module) -> dict[str, Any]:
    """Everything a forward pass could leave behind: buffers, and attributes that are plain numbers."""
    traces: dict[str, Any] = {name: buffer.clone() for name, buffer in module.named_buffers()}
    for prefix, layer in module.named_modules():
        for name, value in vars(layer).items():
            if name != "training" and isinstance(value, int | float):
                traces[f"{prefix}.{name}".lstrip(".")] = value
    return traces


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return torch.equal(first, second)
    return bool(first == second)
