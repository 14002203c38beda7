"""Which members take no step, since their gradients overflow, and which have come to their end by it.

The engine's side of what `metaopt.deploy.gradient_guard` does in a user's loop, and by the same numbers.
"""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

from metaopt.overflow import LARGEST_NORM, MAX_SKIPS


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
        self._is_counting = False

    def rows(self, norms: Tensor) -> Tensor | None:
        """Positions of the members that take no step, or None where all take one; those that have ended go on.

        Args:
            norms: of the members' gradients, shape (members,).
        """
        overflows = ~(norms <= LARGEST_NORM) & ~self.ended
        if bool(overflows.any()):
            self._in_a_row = torch.where(overflows, self._in_a_row + 1, 0)
            self.ended |= self._in_a_row >= MAX_SKIPS
            self._is_counting = True
            return overflows.nonzero().squeeze(1)
        if self._is_counting:
            self._in_a_row.zero_()
            self._is_counting = False
        return None


def norms(flats: Mapping[str, Tensor], count: int) -> Tensor:
    """Euclidean norm of all buffers together of each of the first `count` members, shape (count,)."""
    found = [torch.linalg.vector_norm(flat[:count], dim=1, dtype=_wide(flat.dtype)) for flat in flats.values()]
    if len(found) == 1:
        return found[0]
    together: Tensor = torch.linalg.vector_norm(torch.stack([norm.double() for norm in found]), dim=0)
    return together


def are_lost(flats: Mapping[str, Tensor], count: int) -> Tensor:
    """Whose weights are not finite, or too large to be squared in float32, shape (count,)."""
    return ~(norms(flats, count) <= LARGEST_NORM)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
