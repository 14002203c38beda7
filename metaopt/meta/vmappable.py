"""Whether a few-shot task's model can adapt to many episodes at once, and if not, what is in the way."""

import torch
from torch import Tensor, nn
from torch.func import grad

from metaopt.contracts import Episodes
from metaopt.errors import InputError, named_line, quoted
from metaopt.inner import failure
from metaopt.meta.learner import Learner


def check_adapts(learner: Learner, episode: Episodes) -> None:
    """Compute loss and metric of one episode as a plain loop would, without vmap or gradients.

    Args:
        learner: whose model, loss and metric.
        episode: one, from any partition.

    Raises:
        InputError: something fails; the message tells apart what is in the model's code and what in the dtypes.
    """
    rows = learner.task.batch_size  # as many as a step sees, for the support set of a whole training is large
    support_inputs, support_targets = (tensor[0, :rows] for tensor in episode.tensors[:2])
    query_inputs, query_targets = (tensor[0] for tensor in episode.tensors[2:])
    name, params = learner.task.name, learner.parameters
    try:
        with torch.no_grad():
            values = [
                learner.loss(params, support_inputs, support_targets),
                *learner.measured(params, support_inputs, query_inputs, query_targets),
            ]
    except Exception as error:  # whatever a stranger's model raises
        everything = learner.parameters.values()
        raise failure(name, "an episode", error, support_inputs, support_targets, everything) from error
    for part, value in zip(("loss", "loss", "metric"), values, strict=True):
        if not isinstance(value, Tensor) or value.ndim:
            shown = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{quoted(value)}"
            raise InputError(f"Task {name!r}: the {part} must be a 0-d tensor, the mean over a set, got {shown}.")


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
            f"{named_line(error)}. Write it with operations that vmap takes: torch.where instead of if, padding, and "
            "no packed sequences, new tensors, and nothing written in place."
        ) from error
    finally:
        for handle in handles:
            handle.remove()


def _shown(name: str, layer: nn.Module) -> str:
    return f"{type(layer).__name__} {name!r}"
