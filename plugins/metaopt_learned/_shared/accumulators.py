"""Rolling statistics of gradients that learned rules of the small_fc_lopt and VeLO family read (Metz et al. 2022).

All decays stand in front: momenta of a tensor of shape S have shape (decays, *S). Second moments are kept whole, and
factored over a tensor's two largest dimensions as Adafactor does (Shazeer & Stern 2018).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

import metaopt
from metaopt import Params, Tensors, TensorState, Theta

#: Decays before anything is learned.
MOMENTUM, SECOND, FACTORED = (0.9, 0.99, 0.999), (0.999,), (0.9, 0.99, 0.999)


@dataclass(frozen=True)
class Decays:
    """Shares of the old value that averages keep, each shape (decays,).

    Attributes:
        momentum: decays of the averages of gradients.
        second: decays of the averages of squared gradients.
        factored: decays of the averages of squared gradients' row and column means.
    """

    momentum: Tensor
    second: Tensor
    factored: Tensor


def fixed_decays(device: torch.device) -> Decays:
    """The decays before anything is learned."""
    return Decays(*(torch.tensor(decays, device=device) for decays in (MOMENTUM, SECOND, FACTORED)))


def learned_decays(theta: Theta) -> Decays:
    """Decay = 1 − (1 − decay₀) · e^{10·θ}: zeros are the decays before anything is learned."""
    momentum, second, factored = (
        1 - (1 - torch.tensor(first, device=theta[name].device)) * torch.exp(10 * theta[name])
        for name, first in (("momentum_decays", MOMENTUM), ("rms_decays", SECOND), ("adafactor_decays", FACTORED))
    )
    return Decays(momentum, second.clamp(0, 1), factored.clamp(0, 1))


def check_decays(theta: Theta) -> None:
    """Check that learned decays are between 0 and 1.

    Raises:
        InputError: a decay is not; the message has its name and value.
    """
    for name, first in (("momentum_decays", MOMENTUM), ("rms_decays", SECOND), ("adafactor_decays", FACTORED)):
        decays = 1 - (1 - torch.tensor(first)) * torch.exp(10 * theta[name].detach().cpu())
        outside = [float(decay) for decay in decays if not 0 <= decay < 1]
        if outside:
            raise metaopt.InputError(
                f"The weights {name!r} say a decay of {outside[0]:.4g}; decays are from 0 to below 1."
            )


def factored_dims(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """A tensor's two largest dimensions in their order, later ones first among equals; None for vectors and scalars."""
    if len(shape) < 2:
        return None
    if len(shape) == 2:
        return 0, 1
    large = _largest(shape, range(len(shape)))
    second = _largest(shape, [dim for dim in range(len(shape)) if dim != large])
    return min(large, second), max(large, second)


def is_first_larger(like: Tensor, dims: tuple[int, int]) -> Tensor:
    """Whether the first of two dimensions is the larger one, 0-d: a tensor, so that one graph serves either."""
    return torch.full((), like.shape[dims[0]] - like.shape[dims[1]], device=like.device) > 0


def fresh(param: Tensor) -> TensorState:
    """State before the first gradient, zeros: `momentum`, `second`, and `first` and `last`, or `whole` if not factored.

    `first` are means over the last of the two factored dimensions, `last` those over the first.
    """

    def zeros(count: int, shape: Sequence[int]) -> Tensor:
        return torch.zeros((count, *shape), dtype=torch.float32, device=param.device)

    shape = tuple(param.shape)
    state = {"momentum": zeros(len(MOMENTUM), shape), "second": zeros(len(SECOND), shape)}
    dims = factored_dims(shape)
    if dims is None:
        return {**state, "whole": zeros(len(FACTORED), shape)}
    last, first = ([size for dim, size in enumerate(shape) if dim != gone] for gone in dims)
    return {**state, "first": zeros(len(FACTORED), first), "last": zeros(len(FACTORED), last)}


def _largest(shape: tuple[int, ...], dims: Sequence[int]) -> int:
    largest = dims[0]
    for dim in dims[1:]:  # comparisons, and no sort, so that compilers can follow where sizes are dynamic
        if shape[dim] >= shape[largest]:
            largest = dim
    return largest


def rolled(grad: Tensor, state: TensorState, decays: Decays) -> TensorState:
    """The statistics after one more gradient."""
    square = grad * grad
    new = {
        "momentum": _mixed(state["momentum"], grad, decays.momentum),
        "second": _mixed(state["second"], square, decays.second),
    }
    positive = square + 1e-30
    dims = factored_dims(tuple(grad.shape))
    if dims is None:
        return {**new, "whole": _mixed(state["whole"], positive, decays.factored)}
    return {
        **new,
        "first": _mixed(state["first"], positive.mean(dims[1]), decays.factored),
        "last": _mixed(state["last"], positive.mean(dims[0]), decays.factored),
    }


def moments(state: Params) -> Tensors:
    """Adam's two moments, with the learned decays in place of Adam's."""
    return {"exp_avg": state["momentum"][0], "exp_avg_sq": state["second"][0]}


def _mixed(old: Tensor, new: Tensor, decays: Tensor) -> Tensor:
    decay = decays.reshape(-1, *[1] * new.ndim)
    return decay * old + (1 - decay) * new
