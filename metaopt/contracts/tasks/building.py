"""Fresh models of a task: seeded, in the dtype of its data, and with the shapes of all their layers known."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from metaopt.contracts.default_dtype import default_for
from metaopt.errors import InputError, quoted
from metaopt.seeding import seeded


def num_trained(model: nn.Module) -> int:
    """How many numbers of a model are trained: those of parameters that require gradients."""
    return sum(param.numel() for param in model.parameters() if param.requires_grad)


def built(
    name: str, model: Callable[[], nn.Module], seed: int, examples: Callable[[], tuple[Tensor, Tensor]]
) -> nn.Module:
    """A fresh model whose weights depend on `seed` alone; the global generator is left as it was.

    Args:
        name: of the task.
        model: makes it.
        seed: of its weights.
        examples: makes inputs and targets where layers are lazy, whose weights are drawn when they see their first
            inputs, and where torch's default dtype is not float32.

    Raises:
        InputError: it is no model.
    """

    def undisturbed() -> tuple[Tensor, Tensor]:
        with seeded(0):  # whatever they draw, the weights are those of the seed
            return examples()

    with seeded(seed), default_for(undisturbed):
        module = model()
        if not isinstance(module, nn.Module):
            raise InputError(f"Task {name!r}: model must make a torch.nn.Module, got {quoted(module)}.")
        if is_unshaped(module):
            give_shapes(module, undisturbed()[0])
    return module


def is_unshaped(module: nn.Module) -> bool:
    """Whether layers are lazy: they know their shapes when they see their first inputs."""
    return any(map(is_lazy, module.parameters())) or any(map(is_lazy, module.buffers()))


@torch.no_grad()
def give_shapes(module: nn.Module, inputs: Tensor) -> None:
    """One forward pass that leaves nothing behind but the shapes of lazy layers, and their weights."""
    training = {layer: layer.training for layer in module.modules()}
    module.eval()(inputs)
    for layer in module.modules():
        layer.training = training[layer]
