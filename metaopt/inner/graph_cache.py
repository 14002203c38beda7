"""Functions of trees of tensors, run through graphs that are made at the first call for their shapes."""

from collections.abc import Callable, Hashable
from typing import Any, cast

from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from metaopt.inner.graphs import Graph, compiled, replayed
from metaopt.inner.update import Mode


class GraphCache:
    """The graphs made so far."""

    def __init__(self) -> None:
        self._graphs: dict[Hashable, tuple[Graph, TreeSpec | None]] = {}

    def run(self, function: Callable[..., Any], mode: Mode, tensors: tuple[Any, ...], settings: tuple[Any, ...]) -> Any:
        """`function(*tensors, *settings)`.

        Args:
            function: of trees of tensors and of settings; graphs are found by its name.
            mode: how it is run.
            tensors: trees of tensors: dicts, lists and tuples.
            settings: hashable; whatever decides what the function does besides the tensors' shapes.
        """
        if mode == "eager":
            return function(*tensors, *settings)
        leaves = _leaves(tensors)
        key = (function.__name__, mode, settings, tuple(map(_shape, leaves)))
        made = self._graphs.get(key)
        if made is None:
            made = self._graphs[key] = _graph(function, mode, tensors, settings)
        graph, results = made
        if results is None:  # what it does depends on values: there is no graph
            return function(*tensors, *settings)
        return tree_unflatten(graph(*leaves), results)


def _graph(
    function: Callable[..., Any], mode: Mode, tensors: tuple[Any, ...], settings: tuple[Any, ...]
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


def _leaves(tensors: Any) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        return [tensors]
    parts = tensors.values() if isinstance(tensors, dict) else tensors
    return [leaf for part in parts for leaf in _leaves(part)]


def _shape(tensor: Tensor) -> Hashable:
    return tensor.shape, tensor.dtype, tensor.device
