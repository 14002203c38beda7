"""Derivatives of functions of tensors, and many of them side by side: by `torch.func`, or plainly.

`torch.func` cannot follow everything that autograd can: packed sequences, numbers that leave as numpy or `.item()`,
writing in place, autograd functions of the older kind, checkpointing, an `if` on a value. `PLAIN` has functions of the
same names and arguments that can: derivatives by `torch.autograd`, and in place of `vmap` a loop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from metaopt.errors import named_line

#: From a function to another one, as `torch.func.grad`.
_Transform: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class Transforms:
    """Four transforms, with the arguments of `torch.func`'s.

    Attributes:
        grad: the gradient with respect to the first argument.
        grad_and_value: the same, and the value.
        vjp: the value, and the function that takes a cotangent back to all arguments.
        vmap: rows of the arguments side by side, `in_dims` being 0 and None alone.
    """

    grad: _Transform
    grad_and_value: _Transform
    vjp: Callable[..., Any]
    vmap: _Transform


def _grad_and_value(function: Callable[..., Any], *, has_aux: bool = False) -> Callable[..., Any]:
    def run(first: Any, *others: Any) -> Any:
        leaves, structure = tree_flatten(first)
        is_followed = torch.is_grad_enabled() and any(leaf.requires_grad for leaf in leaves)
        with torch.enable_grad():
            entered = [_entered(leaf, is_followed) for leaf in leaves]
            result = function(tree_unflatten(entered, structure), *others)
            value, aux = result if has_aux else (result, None)
            gradients = _backwards([value], entered, None, is_followed)
        if not is_followed:
            value, aux = tree_map(_detached, (value, aux))
        gradient = tree_unflatten(gradients, structure)
        return gradient, (value, aux) if has_aux else value

    return run


def _grad(function: Callable[..., Any], *, has_aux: bool = False) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        gradient, result = _grad_and_value(function, has_aux=has_aux)(*args)
        return (gradient, result[1]) if has_aux else gradient

    return run


def _vjp(function: Callable[..., Any], *primals: Any) -> Any:
    leaves, structure = tree_flatten(primals)
    with torch.enable_grad():
        entered = [_entered(leaf, False) for leaf in leaves]
        result = function(*tree_unflatten(entered, structure))

    def pull(cotangents: Any) -> Any:
        return tree_unflatten(_backwards(tree_leaves(result), entered, tree_leaves(cotangents), False), structure)

    return tree_map(_detached, result), pull


def _vmap(
    function: Callable[..., Any], in_dims: int | tuple[int | None, ...] = 0, randomness: str = "different"
) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        axes = in_dims if isinstance(in_dims, tuple) else (in_dims,) * len(args)
        by_row = [arg for arg, axis in zip(args, axes, strict=True) if axis is not None]
        rows = [
            function(*(arg if axis is None else _row(arg, row) for arg, axis in zip(args, axes, strict=True)))
            for row in range(len(tree_leaves(by_row)[0]))
        ]
        return tree_map(lambda *each: torch.stack(each), *rows)

    return run


FUNCTIONAL = Transforms(torch.func.grad, torch.func.grad_and_value, torch.func.vjp, torch.vmap)
PLAIN = Transforms(_grad, _grad_and_value, _vjp, _vmap)


def vmap_obstacle(function: Callable[..., Any], module: nn.Module, *examples: Any) -> str | None:
    """Why `torch.vmap` cannot take a function, and after which layer of a model it fails; None if it can.

    Args:
        function: of trees of tensors.
        module: whose layers it passes.
        examples: arguments for one row.
    """
    entered: list[str] = []
    handles = [
        layer.register_forward_pre_hook(lambda _, __, name=name, layer=layer: entered.append(_shown(name, layer)))
        for name, layer in module.named_modules()
        if not list(layer.children())
    ]
    doubled = tree_map(lambda tensor: torch.stack([tensor] * 2), examples)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.vmap(function, randomness="different")(*doubled)
    except Exception as error:  # whatever a stranger's model raises
        after = f"after {entered[-1]} " if entered else ""
        return f"{after}torch.vmap fails with {named_line(error)}"
    finally:
        for handle in handles:
            handle.remove()
    return None


def _entered(leaf: Tensor, is_followed: bool) -> Tensor:
    """A tensor of its own to differentiate by: what others were made from it does not count."""
    return leaf.view_as(leaf) if is_followed and leaf.requires_grad else leaf.detach().requires_grad_()


def _backwards(outputs: list[Tensor], inputs: list[Tensor], cotangents: list[Tensor] | None, graph: bool) -> Any:
    """Gradients of the inputs, zeros for those that no output depends on."""
    rows = [row for row, output in enumerate(outputs) if output.requires_grad]
    if not rows:
        return [torch.zeros_like(tensor) for tensor in inputs]
    gradients = torch.autograd.grad(
        [outputs[row] for row in rows],
        inputs,
        None if cotangents is None else [cotangents[row] for row in rows],
        create_graph=graph,
        allow_unused=True,
        materialize_grads=True,
    )
    # The zeros that torch 2.6 puts in place of what is missing would require gradients.
    return gradients if graph else [gradient.detach() for gradient in gradients]


def _detached(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, Tensor) else leaf


def _row(tree: Any, row: int) -> Any:
    return tree_map(lambda tensor: tensor[row], tree)


def _shown(name: str, layer: nn.Module) -> str:
    return f"{type(layer).__name__} {name!r}"
