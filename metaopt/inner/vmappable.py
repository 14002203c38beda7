"""Whether a task can be trained as a vmapped population, in the plain loop, or in neither way; and why not."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from metaopt.contracts import Task, check_trains, default_for
from metaopt.errors import InputError, named_line
from metaopt.inner.gradients.vmapped import Constants, VmappedTask
from metaopt.seeding import seeded

_TRIAL_MEMBERS = 2


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
