"""Functions of trees of tensors, run through graphs that are made at the first call for trees of their kind."""

from collections.abc import Callable, Hashable
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from metaopt.tracing.graphs import Graph, GraphMode, compiled, replayed
from metaopt.tracing.trees import layout_of, structure_of, tensors_of


class GraphCache:
    """The graphs made so far."""

    def __init__(self) -> None:
        self._graphs: dict[Hashable, tuple[Graph, TreeSpec | None]] = {}

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
        made = self._graphs.get(key)
        if made is None:
            made = self._graphs[key] = _graph(function, mode, tensors, settings)
        graph, results = made
        if results is None:  # what it does depends on values: there is no graph
            return function(*tensors, *settings)
        return tree_unflatten(graph(*leaves), results)


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
    leaves, given = tree_flatten(tensors)
    found: list[TreeSpec] = []

    def in_a_row(*leaves: Tensor) -> list[Tensor]:
        results, structure = tree_flatten(function(*tree_unflatten(leaves, given), *settings))
        found.append(structure)
        return cast(list[Tensor], results)

    graph = (compiled if mode == "compiled" else replayed)(in_a_row, *leaves)
    return graph, found[0] if found else None
