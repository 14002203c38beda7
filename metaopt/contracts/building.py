"""Fresh models of a task: seeded, in the dtype of its data, and with the shapes of all their layers known."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from metaopt.default_dtype import default_for
from metaopt.errors import InputError
from metaopt.seeding import seeded


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
            raise InputError(f"Task {name!r}: model must make a torch.nn.Module, got {module!r:.80}.")
        if any(map(is_lazy, module.parameters())) or any(map(is_lazy, module.buffers())):
            _see(module, undisturbed()[0])
    return module


@torch.no_grad()
def _see(module: nn.Module, inputs: Tensor) -> None:
    """One forward pass that leaves nothing but shapes behind."""
    training = {layer: layer.training for layer in module.modules()}
    module.eval()(inputs)
    for layer in module.modules():
        layer.training = training[layer]
