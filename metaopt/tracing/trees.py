"""Nested dicts, lists and tuples of tensors: their tensors in a row, and what tells two such trees apart."""

from collections.abc import Hashable, Mapping
from typing import Any

from torch import Tensor


def tensors_of(tree: Any) -> list[Tensor]:
    """The tensors in a row, dicts in the order in which they were filled, as torch's `tree_flatten` has them."""
    if isinstance(tree, Tensor):
        return [tree]
    parts = tree.values() if isinstance(tree, Mapping) else tree
    return [tensor for part in parts for tensor in tensors_of(part)]


def structure_of(tree: Any) -> Hashable:
    """Equal for two trees only if equal places in the row of their tensors are equal places in the trees.

    torch's `TreeSpec` says the same, but has no hash in every version of torch.
    """
    if isinstance(tree, Tensor):
        return None
    if isinstance(tree, Mapping):
        return tuple(tree), tuple([structure_of(part) for part in tree.values()])
    return type(tree), tuple([structure_of(part) for part in tree])


def layout_of(tensor: Tensor, *, strided: bool) -> Hashable:
    """All that operations on a tensor depend on besides its numbers; strides where recorded ones are repeated."""
    return tensor.shape, tensor.stride() if strided else None, tensor.dtype, tensor.device
