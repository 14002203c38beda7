"""Layers under vmap, where torch's fast kernels are slow or wrong.

Fused attention has no batching rule, so that vmap runs it member by member, and no second derivative; recurrent layers
have no rule at all. The batched
backward passes of batch, instance and layer norm treat mean and variance as constants, so that second derivatives
under vmap are wrong without a word (pytorch/functorch#534): by a fifth, in a small test.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from metaopt.pure_layers.recurrent import PLAIN


def normalized(
    inputs: Tensor, sample: Tensor, dims: list[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """(inputs − mean) / √(variance + ε) · weight + bias.

    Args:
        inputs: what to normalise.
        sample: whose mean and variance, usually `inputs`.
        dims: over which these are taken; their sizes in `sample` do not matter.
        weight: broadcastable to `inputs`; None for 1.
        bias: likewise; None for 0.
        eps: ε.
    """
    mean = sample.mean(dims, keepdim=True)
    scale = ((sample - mean).square().mean(dims, keepdim=True) + eps).rsqrt()
    normal: Tensor = (inputs - mean) * (scale if weight is None else scale * weight)
    return normal if bias is None else normal + bias


def by_channel(inputs: Tensor, weight: Tensor | None, bias: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """A number for each channel, so that it broadcasts to inputs of shape (n, channels, …)."""
    shape = [-1] + [1] * (inputs.ndim - 2)
    return None if weight is None else weight.reshape(shape), None if bias is None else bias.reshape(shape)


@contextmanager
def batched() -> Iterator[None]:
    """Inside, attention and recurrent layers are made of operations that vmap knows."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH), _Instead(PLAIN):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Inside, norms and attention have second derivatives too, right ones also under vmap."""
    with batched(), _Instead(_NORMS):
        yield


class _Instead(TorchFunctionMode):
    """Inside, some functions are done another way."""

    def __init__(self, ways: Mapping[Any, Callable[..., Any]]) -> None:
        super().__init__()
        self._ways = ways

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return self._ways.get(func, func)(*args, **(kwargs or {}))


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not training or running_mean is not None:  # with constants it is right; writing running ones is not for vmap
        return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    dims = [dim for dim in range(input.ndim) if dim != 1]
    return normalized(input, input, dims, *by_channel(input, weight, bias), eps)


def _instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not use_input_stats or running_mean is not None:
        return F.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
    return normalized(input, input, list(range(2, input.ndim)), *by_channel(input, weight, bias), eps)


def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    return normalized(input, input, list(range(-len(normalized_shape), 0)), weight, bias, eps)


_NORMS: dict[Any, Callable[..., Any]] = {
    F.batch_norm: _batch_norm,
    F.instance_norm: _instance_norm,
    F.layer_norm: _layer_norm,
    torch.layer_norm: _layer_norm,
}
