"""The signal `agreement`: whether a step's gradient and the last update point the same way."""

from collections.abc import Iterable

import torch
from torch import Tensor


def agreement(pairs: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """⟨g, u⟩ / (‖g‖·‖u‖) of each member, over all its tensors; 0 where g or u is 0.

    Args:
        pairs: gradients and updates of the same coordinates, shape (members, coordinates) each; at least one pair.

    Returns:
        Shape (members,), in [−1, 1] up to rounding.
    """
    sums = [torch.stack([(g * u).sum(1), (g * g).sum(1), (u * u).sum(1)]) for g, u in pairs]
    inner, gradient, update = torch.stack(sums).sum(0)
    size = (gradient * update).sqrt()
    return torch.where(size > 0, inner / size.clamp_min(1e-30), 0.0)
