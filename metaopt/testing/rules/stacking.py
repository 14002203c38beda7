"""Adds and removes a population axis on nested dicts and lists, and explains what vmap could not do."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from metaopt.errors import first_line

_WRITES = (
    "It writes in place (such as add_, copy_ or out=) to a tensor that has no population axis; compute a new tensor "
    "instead, out of place."
)
_EXPLANATIONS = {
    "data-dependent control flow": (
        "It decides by Python (if, while, and, bool, min, max) on a tensor's value; use torch.where and the like."
    ),
    ".item()": "It reads a tensor's value (.item(), float(), int()); keep it a tensor.",
    "access data pointer": "It reads a tensor's values (.tolist(), .numpy()); keep it a tensor.",
    "(self, *extra_args) is not possible": _WRITES,
    "doesn't match the broadcast shape": _WRITES,
    "doesn't work on out=": _WRITES,
    "output dynamic shape": "The shape of what it computes depends on values; use torch.where and the like.",
    "randomness": "It draws random numbers; a rule has no randomness of its own.",
}


def stacked(trees: Sequence[Any]) -> Any:
    """Stack the members' nested dicts and lists of tensors into one, with a leading population axis."""
    first = trees[0]
    if isinstance(first, Tensor):
        return torch.stack(list(trees))
    if isinstance(first, Mapping):
        return {key: stacked([tree[key] for tree in trees]) for key in first}
    return [stacked(parts) for parts in zip(*trees, strict=True)]


def unstacked(tree: Any, index: int) -> Any:
    """One member of a stacked population."""
    if isinstance(tree, Tensor):
        return tree[index]
    return {key: unstacked(value, index) for key, value in tree.items()}


def explain(error: RuntimeError) -> str:
    """A message that explains an error of torch.vmap to the plugin's author."""
    text = str(error)
    for sign, explanation in _EXPLANATIONS.items():
        if sign in text:
            return explanation
    return f"It cannot run under torch.vmap: {first_line(error)}"
