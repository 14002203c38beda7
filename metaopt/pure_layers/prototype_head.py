"""An output layer that starts as the nearest-mean classifier of the support set (Proto-MAML).

With cₖ the mean of the features of class k, −|f − cₖ|² = 2 cₖ·f − |cₖ|² + what all classes share, so weight row k is
2 cₖ and bias k is −|cₖ|² (Triantafillou et al. 2020, https://arxiv.org/abs/1903.03096).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from metaopt.contracts import Tensors
from metaopt.errors import InputError
from metaopt.pure_layers.output_layer import LayerCall, output_layer


def prototype_head(module: nn.Module, params: Mapping[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensors:
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


def _head(module: nn.Module, params: Mapping[str, Tensor], inputs: Tensor) -> tuple[LayerCall, Tensor]:
    """The linear layer that gives the output, and the features it gets, shape (n, features)."""
    head = output_layer(module, params, inputs, lambda layer: isinstance(layer, nn.Linear))
    if head is None or head.layer.bias is None:
        raise InputError(f"Prototypes need a last nn.Linear with a bias, and {type(module).__name__} has none.")
    if not (head.layer.weight.requires_grad and head.layer.bias.requires_grad):
        raise InputError(
            f"Prototypes take the place of the weights of the output layer {head.name!r}, which is frozen; let it "
            "train, or take another rule."
        )
    features = torch.flatten(head.given, 1)
    if features.shape[1] != head.layer.in_features:
        raise InputError(
            f"Prototypes need features of shape (n, {head.layer.in_features}) at the output layer {head.name!r}, got "
            f"{tuple(head.given.shape)}; make one vector of each example, or take another rule."
        )
    return head, features
