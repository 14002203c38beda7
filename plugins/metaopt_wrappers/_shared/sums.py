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
    """In float32, or float64 where it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def square(tensors: Iterable[Tensor]) -> Tensor:
    """Sum of all squares, 0-d; there must be a tensor."""
    found = list(tensors)
    return metaopt.inner_product(found, found)


def root(square: Tensor) -> Tensor:
    """√, with a derivative of 0 at 0."""
    return square.clamp_min(TINY).sqrt()
