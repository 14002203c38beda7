"""The signal `evidence`: whether a mini-batch's gradient is no larger than its noise alone would make it.

Mahsereci, Balles, Lassner & Hennig (2017), "Early stopping without a validation set",
https://arxiv.org/abs/1703.09580, equation 7. Where the gradient over all data is zero, a mini-batch's is nothing but
noise, of variance Var(g)/B, and the expectation of (B/D)·Σ g²/Var(g) is 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.shards import sum_of_shards


@dataclass(frozen=True, slots=True)
class GradientMoments:
    """Mean and spread of several gradients of the same coordinates.

    Attributes:
        count: how many gradients.
        mean: of each coordinate.
        squares: sum of squared deviations from the mean, of each coordinate.
    """

    count: int
    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, gradients: Tensor, dim: int = 0) -> "GradientMoments":
        """Those of gradients side by side along an axis, which is gone afterwards."""
        mean = gradients.mean(dim)
        squares = (gradients - mean.unsqueeze(dim)).square().sum(dim)
        return cls(gradients.shape[dim], mean, squares)

    def joined(self, other: "GradientMoments") -> "GradientMoments":
        """Those of both sets of gradients together."""
        count = self.count + other.count
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.count / count)
        return GradientMoments(
            count, mean, self.squares + other.squares + gap.square() * (self.count * other.count / count)
        )


def evidence(moments: Iterable[GradientMoments], of: Sequence[Tensor] | None = None) -> Tensor:
    """1 − (B/D) · Σ g²/Var(g), with g the mean gradient and Var(g) the variance of single ones, over all tensors.

    Coordinates in which all gradients are zero, as those of dead units, are left out of sum and D; where that is so of
    all of them, nothing moves any more and the evidence is 1.

    Args:
        moments: of each tensor, of B ≥ 2 gradients of shape (members, coordinates); at least one tensor.
        of: the tensors, where ranks hold parts of them (DTensors) and moments are of a rank's parts; all ranks call it.

    Returns:
        Shape (members,), at most 1; −∞ where a coordinate's gradients are all the same and not zero.
    """
    sums: list[Tensor] = []
    for tensor in moments:
        moves = (tensor.mean != 0) | (tensor.squares > 0)
        ratio = torch.where(moves, tensor.mean.square() * (tensor.count - 1) / tensor.squares, 0.0)
        sums.append(torch.stack([tensor.count * ratio.sum(1), moves.sum(1).to(ratio.dtype)]))
    total, coordinates = (torch.stack(sums).sum(0) if of is None else sum_of_shards(sums, of)).unbind()
    return 1 - total / coordinates.clamp_min(1)
