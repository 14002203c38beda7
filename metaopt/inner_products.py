"""Inner products and angles of what lies in many tensors, as one long vector."""

from collections.abc import Iterable

import torch
from torch import Tensor

#: Smallest number that is divided by.
TINY = 1e-18
_WIDE = frozenset({torch.float32, torch.float64})


def inner_product(first: Iterable[Tensor], second: Iterable[Tensor], *, start: int = 0) -> Tensor:
    """Σ_i ⟨a_i, b_i⟩ over pairs of tensors; it can be vmapped and differentiated.

    Args:
        first: at least one tensor.
        second: as many, of the same shapes. With the same tensors it is the square of their norm.
        start: dimensions before it are not summed over, and are the same in all tensors.

    Returns:
        Shape of those dimensions, 0-d if there are none; in float32, or float64 where a tensor is.
    """
    products = [_product(a, b, start) for a, b in zip(first, second, strict=True)]
    return products[0] if len(products) == 1 else torch.stack(products).sum(0)


def cosine(inner: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """⟨a, b⟩ / (‖a‖·‖b‖) of inner products and squares of norms, elementwise, in [−1, 1]; 0 where a or b is 0."""
    known = (first > 0) & (second > 0)
    size = torch.where(known, first, 1.0).sqrt() * torch.where(known, second, 1.0).sqrt()
    return torch.where(known, inner / size.clamp_min(TINY), 0.0).clamp(-1.0, 1.0)


def _product(a: Tensor, b: Tensor, start: int) -> Tensor:
    if a.dtype != b.dtype or a.dtype not in _WIDE:
        dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
        a, b = a.to(dtype), b.to(dtype)
    found: Tensor = torch.linalg.vecdot(_laid(a, start), _laid(b, start))
    return found


def _laid(tensor: Tensor, start: int) -> Tensor:
    return tensor.flatten(start) if tensor.ndim > start else tensor.unsqueeze(-1)
