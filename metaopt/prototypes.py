"""A last linear layer that starts as the nearest-mean classifier of the support set (Proto-MAML).

With cₖ the mean of the features of class k, −|f − cₖ|² = 2 cₖ·f − |cₖ|² + what all classes share, so weight row k is
2 cₖ and bias k is −|cₖ|² (Triantafillou et al. 2020, https://arxiv.org/abs/1903.03096).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metaopt.contracts import Tensors
from metaopt.errors import InputError


def prototype_head(module: nn.Module, params: Mapping[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensors:
    """The parameters with the last linear layer made from a support set; a tensor expression of all arguments.

    Args:
        module: whose structure is used.
        params: by name.
        inputs: shape (n, …).
        targets: class numbers, shape (n,).

    Raises:
        InputError: the model has no linear layer with a bias, or the targets are no classes.
    """
    name, head = _head(module)
    if targets.is_floating_point() or targets.ndim != 1:
        raise InputError(f"Prototypes need class numbers of shape (n,) as targets, got {targets.ndim}-d.")
    features = _features(module, head, params, inputs)
    classes = torch.arange(head.out_features, device=targets.device)
    members = (targets.unsqueeze(1) == classes).to(features.dtype)
    means = members.T @ features / members.sum(0).clamp(min=1).unsqueeze(1)
    return {**params, f"{name}weight": 2 * means, f"{name}bias": -means.square().sum(1)}


def _head(module: nn.Module) -> tuple[str, nn.Linear]:
    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    if not layers or layers[-1][1].bias is None:
        raise InputError(f"Prototypes need a last nn.Linear with a bias, and {type(module).__name__} has none.")
    name, layer = layers[-1]
    return f"{name}." if name else "", layer


def _features(module: nn.Module, head: nn.Linear, params: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    seen: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        functional_call(module, dict(params), (inputs,))
    finally:
        handle.remove()
    return torch.flatten(seen[-1], 1)
