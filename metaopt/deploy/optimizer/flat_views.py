"""Parameters, gradients and state laid end to end, without copying what will be written."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from torch import Tensor

from metaopt.shards import is_sharded, local
from metaopt.tracing import MIN_NUMEL

Flat: TypeAlias = tuple[Tensor, Tensor, dict[str, Tensor]]


def flat_views(param: Tensor, grad: Tensor | None, state: Mapping[str, Tensor]) -> Flat | None:
    """Parameter, gradient and state as `(n,)` in the parameter's memory order; state that is 0-d stays so.

    Args:
        param: any shape and strides.
        grad: its gradient; copied if its strides differ.
        state: by key, of the parameter's shape or 0-d.

    Returns:
        None where that cannot be: no gradient, too few numbers, gaps in memory, state of another shape or layout.
    """
    if grad is None or param.numel() < MIN_NUMEL:
        return None
    order = None if param.is_contiguous() else _memory_order(param)
    flat_param = _view(param, order)
    flat_state = {
        key: tensor if tensor.ndim == 0 else _state_view(tensor, param, order) for key, tensor in state.items()
    }
    if flat_param is None or any(tensor is None for tensor in flat_state.values()):
        return None
    flat_grad = (grad if order is None else grad.permute(order)).reshape(-1).detach()
    return flat_param, flat_grad, {key: tensor for key, tensor in flat_state.items() if tensor is not None}


def whole_views(param: Tensor, grad: Tensor | None, state: Mapping[str, Tensor]) -> Flat | None:
    """Parameter, gradient and state as they are, detached; None where one has gaps, or there are too few numbers."""
    if grad is None or param.numel() < MIN_NUMEL or not param.is_contiguous():
        return None
    if not all(tensor.is_contiguous() for tensor in state.values()):
        return None
    return param.detach(), grad.detach().contiguous(), {key: tensor.detach() for key, tensor in state.items()}


def local_views(
    param: Tensor, grad: Tensor | None, state: Mapping[str, Tensor], views: Callable[..., Flat | None]
) -> Flat | None:
    """The views of the part that this rank holds; None where that would not do for a rule that looks at whole tensors.

    Args:
        param: as for `views`, or sharded.
        grad: as for `views`.
        state: as for `views`.
        views: `flat_views` or `whole_views`.
    """
    if not is_sharded(param):
        return views(param, grad, state)
    if views is whole_views:
        return None
    parts = {key: local(value) for key, value in state.items()}
    return views(local(param), None if grad is None else local(grad), parts)


def _memory_order(tensor: Tensor) -> list[int]:
    strides = tensor.stride()
    return sorted(range(tensor.ndim), key=lambda dim: -strides[dim])


def _state_view(tensor: Tensor, param: Tensor, order: list[int] | None) -> Tensor | None:
    return _view(tensor, order) if tensor.shape == param.shape else None


def _view(tensor: Tensor, order: list[int] | None) -> Tensor | None:
    """A flat view, detached last: a view that remembers its base would need a graph for each shape of base."""
    ordered = tensor if order is None else tensor.permute(order)
    return ordered.view(-1).detach() if ordered.is_contiguous() else None
