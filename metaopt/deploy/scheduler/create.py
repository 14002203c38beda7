"""Learning-rate schedulers by the name of their controller."""

from typing import Any

from torch.optim import Optimizer

from metaopt.contracts import Mode
from metaopt.deploy.scheduler.scheduler import ControllerScheduler
from metaopt.errors import InputError, quoted, refuse_mistyped
from metaopt.plugin import ControllerSpec, Registry, current_registry
from metaopt.space import resolve


def create_scheduler(
    name: str,
    optimizer: Optimizer,
    *,
    total_steps: int | None = None,
    mode: Mode = "min",
    registry: Registry | None = None,
    **hparams: Any,
) -> ControllerScheduler:
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
    if not isinstance(optimizer, Optimizer):
        raise InputError(f"A scheduler sets the rates of a torch.optim.Optimizer, got {quoted(optimizer)}.")
    spec = (current_registry(registry)).get(ControllerSpec, name)
    refuse_mistyped(create_scheduler, hparams, spec.space)
    values = resolve(spec.space, hparams, spec.name)
    return ControllerScheduler(optimizer, spec, values, total_steps=total_steps, mode=mode)
