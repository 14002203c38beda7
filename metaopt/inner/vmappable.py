"""Whether a task can be trained as a vmapped population, and if not, why."""

import torch
from torch import nn

from metaopt.contracts import Split, Task
from metaopt.inner.gradients import VmappedGradients


def loop_reason(task: Task) -> str | None:
    """Why `task` must go through the plain loop, in one line, or None if it can be vmapped."""
    module = task.build(0)
    return _known_obstacle(module) or _failed_trial(task, module)


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
    count = min(2, len(task.splits.train))
    batch = Split(task.splits.train.inputs[:count], task.splits.train.targets[:count])
    params = {name: torch.stack([value.detach()] * 2) for name, value in module.named_parameters()}
    try:
        source = VmappedGradients(task, module, shared=True)
        source.gradients(params, batch)
        source.evaluate(params, batch)
    except Exception as error:  # any failure of a stranger's model under vmap sends it to the loop
        return f"vmap fails with {type(error).__name__}: {str(error).strip().splitlines()[0]}"
    return None
