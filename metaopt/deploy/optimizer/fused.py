"""Fused kernels of torch's classes: where they can serve, and what they need of gradients and state.

A fused kernel walks over memory and ignores strides. Where a parameter has gaps in memory it reads and writes beside
it, and where a gradient or a state has other strides than its parameter it pairs the wrong numbers: torch checks
neither on the CPU.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor


def can_fuse(params: Iterable[Tensor]) -> bool:
    """Whether every parameter is a plain tensor without gaps or overlaps in memory (`channels_last` is one)."""
    return all(type(param).__torch_dispatch__ is Tensor.__torch_dispatch__ and is_dense(param) for param in params)


def is_dense(tensor: Tensor) -> bool:
    """Whether its numbers fill a piece of memory, each at a place of its own, in whatever order."""
    if tensor.layout is not torch.strided:
        return False
    filled = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size == 0:
            return True
        if size > 1 and stride != filled:
            return False
        filled *= size
    return True


def in_order_of(param: Tensor, tensor: Tensor) -> Tensor:
    """The tensor itself where its numbers lie in the parameter's order, else a copy in which they do."""
    if tensor.shape != param.shape or _order(tensor) == _order(param):
        return tensor
    return torch.empty_like(param, dtype=tensor.dtype, device=tensor.device, requires_grad=False).copy_(tensor)


def keep_order(params: Iterable[Tensor], state: Mapping[Tensor, MutableMapping[str, Any]]) -> None:
    """Before a fused step: bring gradients and state into the memory order of their parameters."""
    for param in params:
        grad = param.grad
        if grad is not None and not (grad.is_contiguous() and param.is_contiguous()):
            put_in_order(param, state.get(param, {}))


def put_in_order(param: Tensor, state: MutableMapping[str, Any]) -> bool:
    """Bring a parameter's gradient and state into its memory order; return whether the gradient was in another."""
    for key, value in state.items():
        if isinstance(value, Tensor) and value.layout is torch.strided and value.stride() != param.stride():
            state[key] = in_order_of(param, value)
    if param.grad is None or param.grad.stride() == param.stride():
        return False
    ordered = in_order_of(param, param.grad)
    misfits = ordered is not param.grad
    if misfits:
        param.grad = ordered
    return misfits


def _order(tensor: Tensor) -> list[int]:
    """Strides of the dimensions with more or fewer than one entry."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size != 1]
