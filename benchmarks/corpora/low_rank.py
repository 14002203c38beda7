"""Low-rank adaptation: a frozen layer, and a small matrix product beside its weights that trains.

    y = (W + s · B A) x,    A of shape (rank, in), B of shape (out, rank) and 0 at first

(Hu et al., LoRA, 2021, arXiv:2106.09685). A convolution's kernel counts as a matrix of (out, in · height · width).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RANK, SCALE = 4, 2.0


class LowRank(nn.Module):
    """A linear layer or a convolution that is frozen, with a product of rank `rank` added to its weights.

    Args:
        layer: which is frozen.
        rank: inner size of the product.
        scale: s above.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, rank: int = RANK, scale: float = SCALE) -> None:
        super().__init__()
        self.layer = layer.requires_grad_(False)
        self.scale = scale
        outputs, inputs = layer.weight.flatten(1).shape
        self.down = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Tensor:
        layer = self.layer
        weight = layer.weight + self.scale * (self.up @ self.down).view_as(layer.weight)
        if isinstance(layer, nn.Conv2d):
            return F.conv2d(x, weight, layer.bias, layer.stride, layer.padding)
        return F.linear(x, weight, layer.bias)


def adapted(model: nn.Module, head: str | None, rank: int = RANK) -> nn.Module:
    """The model with everything frozen but a low-rank product beside each linear layer and convolution.

    Args:
        model: is changed.
        head: name of a child that trains as it is; None where nothing does.
        rank: of the products.
    """
    model.requires_grad_(False)
    for name, module in list(model.named_modules()):
        for child, layer in list(module.named_children()):
            place = f"{name}.{child}".lstrip(".")
            if isinstance(layer, nn.Linear | nn.Conv2d) and not (head and f"{place}.".startswith(f"{head}.")):
                module.add_module(child, LowRank(layer, rank))
    if head is not None:
        model.get_submodule(head).requires_grad_(True)
    return model
