"""Which members take no step, since their gradients overflow, and which have ended because of it.

The engine's side of what `metaopt.deploy.gradient_guard` does in a user's loop, and by the same numbers.
"""

import math
from typing import final

import torch
from torch import Tensor

from metaopt.contracts import Params
from metaopt.signals import LARGEST_NORM, MAX_SKIPS


@final
class Skipping:
    """Counts each member's skipped steps.

    Args:
        count: number of members.

    Attributes:
        ended: members that have skipped `MAX_SKIPS` steps in a row, which is divergence; shape (members,).
    """

    def __init__(self, count: int) -> None:
        self.ended = torch.zeros(count, dtype=torch.bool)
        self._in_a_row = torch.zeros(count, dtype=torch.long)
        self._none_overflows = True

    def rows(self, grads: Params) -> Tensor | None:
        """Positions of the members that take no step, or None where all take one; those that have ended go on.

        Args:
            grads: buffers whose first rows are the members'.
        """
        if self._none_overflows and _norm_of_all(grads) <= LARGEST_NORM:
            return None
        overflowing = ~(norms(grads, len(self.ended)) <= LARGEST_NORM) & ~self.ended
        self._in_a_row = torch.where(overflowing, self._in_a_row + 1, 0)
        self.ended |= self._in_a_row >= MAX_SKIPS
        self._none_overflows = not bool((overflowing | self.ended).any())
        return overflowing.nonzero().squeeze(1) if bool(overflowing.any()) else None


def _norm_of_all(grads: Params) -> float:
    """The norm over all members: finite where each member's is, unless only the sum over members overflows."""
    return math.hypot(*[float(torch.linalg.vector_norm(grad)) for grad in grads.values()])


def norms(flats: Params, count: int) -> Tensor:
    """Euclidean norm of all buffers together of each of the first `count` members, shape (count,)."""
    by_buffer: list[Tensor] = [
        torch.linalg.vector_norm(flat[:count], dim=1, dtype=torch.promote_types(flat.dtype, torch.float32))
        for flat in flats.values()
    ]
    if len(by_buffer) == 1:
        return by_buffer[0]
    together: Tensor = torch.linalg.vector_norm(torch.stack([norm.double() for norm in by_buffer]), dim=0)
    return together


def are_lost(flats: Params, count: int) -> Tensor:
    """Which members have weights that are not finite, or too large to be squared in float32, shape (count,)."""
    return ~(norms(flats, count) <= LARGEST_NORM)
