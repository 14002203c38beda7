"""Sums over whole tensors from what each rank computed of its own parts."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from metaopt.shards.layout import is_sharded


def sum_of_shards(numbers: Sequence[Tensor], of: Sequence[Tensor]) -> Tensor:
    """The sum of what each rank computed from its parts of tensors, over all ranks and tensors.

    Each part counts once, whatever lies on several ranks. What comes to one tensor is sent for each way in which
    tensors lie on ranks; all ranks have to call it.

    Args:
        numbers: of one shape and dtype, such as the sum of a part's squares; at least one.
        of: the tensors, as many; none of them holds summands that are yet to be added.

    Returns:
        A plain tensor of that shape, the same on every rank.
    """
    sums: dict[tuple[Any, tuple[int, ...]], Tensor] = {}
    for number, tensor in zip(numbers, of, strict=True):
        spread = _spread(tensor)
        sums[spread] = sums[spread] + number if spread in sums else number
    parts = [_over_ranks(number, *spread) for spread, number in sums.items()]
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)


def any_true(parts: Sequence[Tensor], of: Sequence[Tensor]) -> bool:
    """Whether a number is True of the parts of tensors that ranks hold; all ranks have to call it."""
    return bool(parts) and bool(sum_of_shards([part.any().float() for part in parts], of))


def _over_ranks(number: Tensor, mesh: Any, dims: tuple[int, ...]) -> Tensor:
    """The sum over those dimensions of a mesh."""
    if not dims:
        return number
    from torch.distributed import all_reduce

    total = number.detach().clone()
    for dim in dims:
        all_reduce(total, group=mesh.get_group(dim))
    return total


def _spread(tensor: Tensor) -> tuple[Any, tuple[int, ...]]:
    """The mesh that a tensor's parts lie on, and along which of its dimensions these differ."""
    if not is_sharded(tensor):
        return None, ()
    sharded: Any = tensor
    dims = tuple(dim for dim, placement in enumerate(sharded.placements) if not placement.is_replicate())
    return (sharded.device_mesh, dims) if dims else (None, ())
