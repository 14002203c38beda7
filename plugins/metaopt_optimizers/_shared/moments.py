"""Moments of gradients: decaying averages, their bias corrections and roots, as the rules here share them.

    m_t = β·m_{t-1} + (1-β)·g_t,        E[m_t] ∝ 1 - β^t

Every function is pure, works under `torch.vmap` and `torch.func.grad`, and takes hyperparameters as 0-d tensors
of any floating dtype on any device.
"""

import torch
from torch import Tensor

#: Replaces a zero under a root or in a denominator: negligible beside any ε ≥ 1e-15, and a normal float32 number.
TINY = 1e-36


def zeros(param: Tensor) -> Tensor:
    """Zeros of `param`'s shape, in float32 or, for float64 parameters, float64."""
    return torch.zeros_like(param, dtype=state_dtype(param))


def counter(param: Tensor) -> Tensor:
    """A step count of 0: 0-d, float32, where `param` is."""
    return torch.zeros((), dtype=torch.float32, device=param.device)


def state_dtype(param: Tensor) -> torch.dtype:
    """The dtype of `param`'s state: float32, or float64 for float64 parameters."""
    return torch.promote_types(param.dtype, torch.float32)


def add_scaled(tensor: Tensor, scale: Tensor, other: Tensor) -> Tensor:
    """`tensor + scale·other` in one operation; `scale` is 0-d, the others have one shape and dtype."""
    return torch.addcmul(tensor, scale.to(tensor.device, tensor.dtype), other)


def decayed(average: Tensor, value: Tensor, beta: Tensor) -> Tensor:
    """`beta·average + (1-beta)·value`, with `1 - beta` taken before it is rounded to the average's dtype."""
    return torch.lerp(average, value, (1 - beta).to(average.device, average.dtype))


def shrunk(param: Tensor, lr: Tensor, weight_decay: Tensor) -> Tensor:
    """`param·(1 - lr·weight_decay)`: decoupled weight decay.

    In float32 this product, which the references take, errs the same way for many steps in a row: a rule that shares
    its rounding stays ten times closer to its reference than one that adds `-lr·weight_decay·param`.
    """
    return param * (1 - lr * weight_decay).to(param.device, param.dtype)


def bias_correction(beta: Tensor, step: Tensor) -> Tensor:
    """`1 - beta^step` for `beta` in [0, 1) and `step` ≥ 1, 0-d, without cancellation.

    Example:
        >>> bias_correction(torch.tensor(0.9), torch.tensor(1.0))
        tensor(0.1000)
    """
    return -torch.expm1(step * torch.log(beta.clamp(min=TINY)))


def root(square: Tensor) -> Tensor:
    """`sqrt(square)` with a finite gradient, 0, where `square` is 0 (or has been rounded below it)."""
    return square.clamp(min=TINY).sqrt()
