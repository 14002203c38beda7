"""`torch.where` whose function runs only where the condition holds, also under vmap, in gradients and in recordings.

Rules are pure functions of tensors, and what they do every so many steps depends on a tensor's count. To a graph the
choice is one operation; inside it Python looks at the counts.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor

from metaopt.errors import PluginError, quoted

#: `(operands, *given) -> operands`, computed anew in their shapes and dtypes.
LazyFunction: TypeAlias = Callable[..., Sequence[Tensor]]

#: By name, what recorded operations call.
_FUNCTIONS: Final[dict[str, LazyFunction]] = {}


def lazy_where(
    condition: Tensor, function: LazyFunction, operands: Sequence[Tensor], *given: Tensor
) -> tuple[Tensor, ...]:
    """`torch.where(condition, function(operands, *given), operands)`, but the function runs only if it is needed.

    For what a rule does every k steps, such as computing a basis anew: the rule stays a pure function of tensors, and
    each tensor may count its own steps. Under `torch.vmap` the function runs for those members whose condition holds,
    one after the other and without vmap. Derivatives pass through operands that are returned as they are, and end where
    the function ran.

    Args:
        condition: 0-d, of booleans. On a GPU its value is waited for.
        function: `(operands, *given) -> new`, pure and at the top level of a module: recordings call it by name.
        operands: floating-point tensors that the function computes anew.
        given: further tensors that the function sees.

    Returns:
        The operands or what the function made of them, in memory of their own.

    Raises:
        PluginError: the function is a lambda or inside another one, or returned something else than tensors of the
            operands' shapes and dtypes.

    Example:
        >>> import torch, metaopt
        >>> def halved(operands, by):
        ...     return [operand / by for operand in operands]
        >>> weights, two = torch.tensor([4.0, 6.0]), torch.tensor(2.0)
        >>> metaopt.lazy_where(torch.tensor(3) % 3 == 0, halved, [weights], two)
        (tensor([2., 3.]),)
        >>> metaopt.lazy_where(torch.tensor(4) % 3 == 0, halved, [weights], two)
        (tensor([4., 6.]),)
    """
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    if not callable(function) or name.endswith(".") or "<" in name:
        raise PluginError(
            f"lazy_where: the function must be defined with def at the top level of a module, got {quoted(function)}; "
            "hand it tensors after the operands."
        )
    _FUNCTIONS[name] = function
    results: tuple[Tensor, ...] = _LazyWhere.apply(name, len(operands), condition, *operands, *given)
    return results


class _LazyWhere(torch.autograd.Function):
    """The operation with its derivative and its rule for vmap; tensors have the axes of the condition in front."""

    @staticmethod
    def forward(name: str, count: int, condition: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
        operation = torch.ops.metaopt.lazy_where.default
        return tuple(operation(condition, list(tensors[:count]), list(tensors[count:]), name))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(inputs[2])
        ctx.num_others = len(inputs) - 3 - inputs[1]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (condition,) = ctx.saved_tensors
        passed = [torch.where(_over(condition, grad), 0.0, grad) for grad in grads]
        return None, None, None, *passed, *[None] * ctx.num_others

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], name: str, count: int, *tensors: Tensor) -> Any:
        members = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, in_dims[2:], strict=True)
        ]
        return _LazyWhere.apply(name, count, *members), (0,) * count


def _over(condition: Tensor, tensor: Tensor) -> Tensor:
    return condition.reshape(*condition.shape, *[1] * (tensor.ndim - condition.ndim))


_LIBRARY: Final = torch.library.Library("metaopt", "DEF")
_LIBRARY.define("lazy_where(Tensor condition, Tensor[] operands, Tensor[] given, str name) -> Tensor[]")


def _run(condition: Tensor, operands: Sequence[Tensor], given: Sequence[Tensor], name: str) -> list[Tensor]:
    """The operation on plain tensors."""
    results = [operand.clone(memory_format=torch.contiguous_format) for operand in operands]
    # One member at a time: within an operation that is being recorded torch refuses to vmap.
    for row in condition.nonzero().tolist():
        place = tuple(row)
        old = [operand[place] for operand in operands]
        new = _FUNCTIONS[name](old, *[tensor[place] for tensor in given])
        for result, value in zip(results, _checked(name, new, old), strict=True):
            result[place] = value
    return results


def _checked(name: str, new: object, operands: Sequence[Tensor]) -> list[Tensor]:
    """What the function returned."""
    made = list(new) if isinstance(new, list | tuple) else []
    kinds = [(value.shape, value.dtype) if isinstance(value, Tensor) else value for value in made]
    if kinds != [(operand.shape, operand.dtype) for operand in operands]:
        raise PluginError(
            f"lazy_where: {name} must return a list of tensors, of its operands' shapes and dtypes, got {quoted(new)}."
        )
    return made


def _shapes_alone(condition: Tensor, operands: Sequence[Tensor], given: Sequence[Tensor], name: str) -> list[Tensor]:
    """What a compiler needs to know of the results."""
    return [torch.empty_like(operand, memory_format=torch.contiguous_format) for operand in operands]


_LIBRARY.impl("lazy_where", _run, "CompositeExplicitAutograd")
torch.library.register_fake("metaopt::lazy_where", _shapes_alone)
