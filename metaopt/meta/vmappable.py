"""Whether a few-shot task's model can adapt to many episodes at once, and if not, which layer cannot."""

import torch
from torch import Tensor, nn
from torch.func import grad

from metaopt.errors import InputError, named_line
from metaopt.meta.learner import Learner


def check_vmappable(learner: Learner, inputs: Tensor, targets: Tensor) -> None:
    """Take one gradient of two copies of the model side by side.

    Args:
        learner: whose model and loss.
        inputs: of one support set, shape (n, …).
        targets: likewise.

    Raises:
        InputError: a layer, or the loss, fails under `torch.vmap`; the message names it.
    """
    entered: list[str] = []
    handles = [
        layer.register_forward_pre_hook(lambda _, __, name=name, layer=layer: entered.append(_shown(name, layer)))
        for name, layer in learner.module.named_modules()
        if not list(layer.children())
    ]
    doubled = {name: torch.stack([param] * 2) for name, param in learner.parameters.items()}
    data = [torch.stack([one] * 2) for one in (inputs, targets)]
    try:
        torch.vmap(grad(learner.loss), randomness="different")(doubled, *data)
    except Exception as error:  # whatever a stranger's model raises
        at = entered[-1] if entered else "the model"
        raise InputError(
            f"Task {learner.task.name!r}: episodes are adapted to side by side, and after {at} torch.vmap fails: "
            f"{named_line(error)}. "
            "Write the layer with operations that vmap takes (cells instead of nn.LSTM or nn.GRU)."
        ) from error
    finally:
        for handle in handles:
            handle.remove()


def _shown(name: str, layer: nn.Module) -> str:
    return f"{type(layer).__name__} {name!r}"
