"""Functions of trees of tensors, run through graphs that are made at the first call for trees of their kind.

A tree is a nested dict, list or tuple of tensors.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal, TypeAlias, TypeGuard, cast

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from metaopt.tracing.compiled_graphs import compiled
from metaopt.tracing.recording import Graph
from metaopt.tracing.straight_line import replayed

#: How a function is run: `eager` decides anew at each step what to do, `replayed` writes that down once and repeats it,
#: `compiled` compiles it.
GraphMode: TypeAlias = Literal["eager", "replayed", "compiled"]


class GraphCache:
    """The graphs made so far, for as long as whoever made the cache holds it."""

    def __init__(self) -> None:
        self._graphs: dict[Hashable, tuple[Graph, TreeSpec | None]] = {}

    def __len__(self) -> int:
        return len(self._graphs)

    def run(
        self, function: Callable[..., Any], mode: GraphMode, tensors: tuple[Any, ...], settings: tuple[Any, ...]
    ) -> Any:
        """`function(*tensors, *settings)`.

        Args:
            function: of trees of tensors and of settings; hashable, and kept with its graphs.
            mode: how it is run.
            tensors: trees of tensors: dicts, lists and tuples.
            settings: hashable; whatever decides what the function does besides what the trees are like.
        """
        if mode == "eager":
            return function(*tensors, *settings)
        leaves = tensors_of(tensors)
        key = _key(function, mode, tensors, settings, leaves)
        entry = self._graphs.get(key)  # once: to hash a key takes as long as a small graph
        if entry is None:
            entry = self._graphs[key] = _graph(function, mode, tensors, settings)
        graph, structure = entry
        if structure is None:  # what it does depends on values: there is no graph
            return function(*tensors, *settings)
        return tree_unflatten(graph(*leaves), structure)


def _key(
    function: Callable[..., Any],
    mode: GraphMode,
    tensors: tuple[Any, ...],
    settings: tuple[Any, ...],
    leaves: list[Tensor],
) -> Hashable:
    """What a graph is made for."""
    # True and 1 are equal settings, and may mean different things.
    kinds = tuple(map(type, settings))
    # Compiled graphs take contiguous tensors; recorded ones were recorded with strides of some kind.
    layouts = tuple([layout_of(leaf, strided=mode == "replayed") for leaf in leaves])
    return function, mode, settings, kinds, structure_of(tensors), layouts, torch.get_default_dtype()


def _graph(
    function: Callable[..., Any], mode: GraphMode, tensors: tuple[Any, ...], settings: tuple[Any, ...]
) -> tuple[Graph, TreeSpec | None]:
    """The function from its tensors in a row to those of its result in a row, and how to put these together.

    None for the latter where it could not be followed.
    """
    leaves, structure = tree_flatten(tensors)
    result_structures: list[TreeSpec] = []

    def in_a_row(*leaves: Tensor) -> list[Tensor]:
        results, result_structure = tree_flatten(function(*tree_unflatten(leaves, structure), *settings))
        result_structures.append(result_structure)
        return cast(list[Tensor], results)

    graph = (compiled if mode == "compiled" else replayed)(in_a_row, *leaves)
    return graph, result_structures[0] if result_structures else None


def is_hashable(value: object) -> TypeGuard[Hashable]:
    """Whether a value has a hash; a frozen dataclass that holds a list has a `__hash__` that raises."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


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
