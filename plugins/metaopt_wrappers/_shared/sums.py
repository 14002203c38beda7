"""What wrappers that look at sums over tensors share."""

from collections.abc import Iterable

import torch
from torch import Tensor

import metaopt
from metaopt import Granularity

#: Smallest square that roots are taken of, so that they have derivatives.
TINY = 1e-30


def over_all(inner: metaopt.Rule) -> Granularity:
    """Granularity of a wrapper that adds sums over all tensors to a rule."""
    return "sums" if inner.granularity in ("coordinate", "sums") else "tree"


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32, or in float64 if it has that dtype."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def square(tensors: Iterable[Tensor]) -> Tensor:
    """Sum of the squares of all numbers, 0-d; there must be at least one tensor."""
    listed = list(tensors)
    return metaopt.inner_product(listed, listed)


def root(square: Tensor) -> Tensor:
    """Square root with a derivative of 0 at 0."""
    return square.clamp_min(TINY).sqrt()
