"""Which layer gives a model's output: seen in a forward pass, for the order of registration does not say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from metaopt.pure_layers.norms import batched


@dataclass(frozen=True)
class LayerCall:
    """One pass through a layer.

    Attributes:
        name: of the layer, as in `named_modules`.
        layer: itself.
        given: its first input.
        output: what it gave.
    """

    name: str
    layer: Any
    given: Tensor
    output: Any

    @property
    def prefix(self) -> str:
        """Of its parameters' names."""
        return f"{self.name}." if self.name else ""


def output_layer(
    module: nn.Module, params: Mapping[str, Tensor], inputs: Tensor, counts: Callable[[nn.Module], bool]
) -> LayerCall | None:
    """The layer whose output is the model's, else the last one that was passed through; None if none was.

    Args:
        module: whose structure is used.
        params: parameters and buffers by name.
        inputs: shape (n, …).
        counts: which layers are looked at.
    """
    calls: list[LayerCall] = []
    handles = [
        layer.register_forward_hook(
            lambda layer, given, output, name=name: calls.append(LayerCall(name, layer, given[0], output))
        )
        for name, layer in module.named_modules()
        if counts(layer)
    ]
    try:
        with batched():
            result = functional_call(module, dict(params), (inputs,))
    finally:
        for handle in handles:
            handle.remove()
    return next((call for call in reversed(calls) if call.output is result), calls[-1] if calls else None)
