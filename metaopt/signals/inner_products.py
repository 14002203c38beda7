"""Inner products and angles of vectors whose numbers lie in many tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor

from metaopt.shards import is_sharded, laid_as, local, settled, sum_of_shards

#: Tensors of at most so many numbers are laid end to end first: copying them takes less than a call for each.
SMALL = 2**12


def inner_product(first: Sequence[Tensor], second: Sequence[Tensor], *, start: int = 0) -> Tensor:
    """Σ_i ⟨a_i, b_i⟩ over pairs of tensors; it can be vmapped and differentiated.

    Args:
        first: at least one tensor.
        second: as many, of the same shapes. With the same tensors it is the square of their norm. Where tensors are
            sharded (DTensors), the products are of whole ones, and all ranks have to call it.
        start: dimensions before it are not summed over, and are the same in all tensors.

    Returns:
        Shape of those dimensions, 0-d if there are none; in float32, or float64 where a tensor is.
    """
    if any(map(is_sharded, first)) or any(map(is_sharded, second)):
        return _of_shards(first, second)
    laid = _laid(first, start)
    others = laid if second is first else _laid(second, start)
    products = [_product(a, b) for a, b in zip(laid, others, strict=True)]
    return products[0] if len(products) == 1 else torch.stack(products).sum(0)


def cosine(inner: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """⟨a, b⟩ / (‖a‖·‖b‖), elementwise; 0 where a or b is 0.

    Args:
        inner: inner products ⟨a, b⟩.
        first: squares of norms ‖a‖², of the same shape.
        second: squares of norms ‖b‖², of the same shape.

    Returns:
        That shape, in [−1, 1].
    """
    known = (first > 0) & (second > 0)
    # One after the other: the product of two small norms may be 0.
    quotient = inner / torch.where(known, first, 1.0).sqrt() / torch.where(known, second, 1.0).sqrt()
    return torch.where(known, quotient, 0.0).clamp(-1.0, 1.0)


def _of_shards(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """The same where ranks hold parts of tensors: products of parts, added up over ranks."""
    firsts = [settled(tensor) for tensor in first]
    pairs = zip(firsts, firsts if second is first else second, strict=True)
    products = [inner_product([local(a)], [local(a if b is a else laid_as(b, a))]) for a, b in pairs]
    dtype = torch.promote_types(torch.float32, max((product.dtype for product in products), key=lambda d: d.itemsize))
    return sum_of_shards([product.to(dtype) for product in products], firsts)


def _laid(tensors: Sequence[Tensor], start: int) -> list[Tensor]:
    """The large ones, and the small ones end to end, of shape (…, numbers) each, in float32 or float64."""
    large: list[Tensor] = []
    small: list[Tensor] = []
    for tensor in tensors:
        ndim = tensor.ndim - start
        flat = tensor if ndim == 1 else tensor.flatten(start) if ndim else tensor.unsqueeze(-1)
        (small if tensor.numel() <= SMALL else large).append(flat)
    rows = [*large, torch.cat(small, dim=-1)] if small else large
    return [row.to(torch.promote_types(row.dtype, torch.float32)) for row in rows]


def _product(a: Tensor, b: Tensor) -> Tensor:
    dtype = torch.promote_types(a.dtype, b.dtype)
    product: Tensor = torch.linalg.vecdot(a.to(dtype), b.to(dtype))
    return product
