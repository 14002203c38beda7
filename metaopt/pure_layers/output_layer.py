"""The layer that gives a model's output, and how it starts as the nearest-mean classifier of a support set.

Which layer it is shows in a forward pass; the order of registration does not say it. With cₖ the mean of the features
of class k, −|f − cₖ|² = 2 cₖ·f − |cₖ|² + a term that all classes share, so weight row k is 2 cₖ and bias k is −|cₖ|²
(Proto-MAML: Triantafillou et al. 2020, https://arxiv.org/abs/1903.03096).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metaopt.contracts import Params, Tensors
from metaopt.errors import InputError
from metaopt.pure_layers.norms import batched


@dataclass(frozen=True)
class LayerCall:
    """One pass through a layer.

    Attributes:
        name: of the layer, as in `named_modules`.
        layer: itself.
        inputs: its first argument; None where it has none, as what makes a parametrized weight.
        output: its output.
    """

    name: str
    layer: Any
    inputs: Any
    output: Any

    @property
    def prefix(self) -> str:
        """What the names of its parameters begin with."""
        return f"{self.name}." if self.name else ""


def output_layer(
    module: nn.Module, params: Params, inputs: Tensor, counts: Callable[[nn.Module], bool]
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
            lambda layer, args, kwargs, output, name=name: calls.append(
                LayerCall(name, layer, first_argument(args, kwargs), output)
            ),
            with_kwargs=True,
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


def first_argument(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What a layer was called with, by position or by name; None if with nothing."""
    return next(iter((*args, *kwargs.values())), None)


def prototype_head(module: nn.Module, params: Params, inputs: Tensor, targets: Tensor) -> Tensors:
    """The parameters with the linear layer that gives the output made from a support set; differentiable.

    Args:
        module: whose structure is used.
        params: by name.
        inputs: shape (n, …).
        targets: class numbers, shape (n,).

    Raises:
        InputError: no linear layer with a bias gives the output, it is frozen, or the targets are no classes.
    """
    head, features = _head(module, params, inputs)
    if targets.is_floating_point() or targets.ndim != 1:
        raise InputError(f"Prototypes need class numbers of shape (n,) as targets, got {targets.ndim}-d.")
    classes = torch.arange(head.layer.out_features, device=targets.device)
    members = (targets.unsqueeze(1) == classes).to(features.dtype)
    means = members.T @ features / members.sum(0).clamp(min=1).unsqueeze(1)
    return {**params, f"{head.prefix}weight": 2 * means, f"{head.prefix}bias": -means.square().sum(1)}


def _head(module: nn.Module, params: Params, inputs: Tensor) -> tuple[LayerCall, Tensor]:
    """The linear layer that gives the output, and the features it gets, shape (n, features)."""
    head = output_layer(module, params, inputs, lambda layer: isinstance(layer, nn.Linear))
    if head is None or head.layer.bias is None:
        raise InputError(f"Prototypes need a last nn.Linear with a bias, and {type(module).__name__} has none.")
    if not (head.layer.weight.requires_grad and head.layer.bias.requires_grad):
        raise InputError(
            f"Prototypes take the place of the weights of the output layer {head.name!r}, which is frozen; let it "
            "train, or take another rule."
        )
    if f"{head.prefix}weight" not in params or f"{head.prefix}bias" not in params:
        raise InputError(
            f"Prototypes take the place of the weights of the output layer {head.name!r}, which are not its own: they "
            "are shared with another layer, or made by a parametrization; take another rule."
        )
    features = torch.flatten(head.inputs, 1)
    if features.shape[1] != head.layer.in_features:
        raise InputError(
            f"Prototypes need features of shape (n, {head.layer.in_features}) at the output layer {head.name!r}, got "
            f"{tuple(head.inputs.shape)}; make one vector of each example, or take another rule."
        )
    return head, features
