"""Which parameters are trained, and whether they can be: those that require gradients and hold numbers of their own."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from metaopt.errors import InputError, quoted


def trainable(model: nn.Module) -> list[tuple[str, Tensor]]:
    """A model's parameters that require gradients, with their names; tied ones once.

    Raises:
        InputError: there are none, or one has no numbers yet that could be trained.
    """
    everything = list(model.named_parameters())
    for name, param in everything:
        check_member(name, param)
    found: list[tuple[str, Tensor]] = [(name, param) for name, param in everything if param.requires_grad]
    if not found:
        kind, count = type(model).__name__, len(everything)
        frozen = f": all {count} are frozen; call requires_grad_() on what shall learn" if count else ""
        raise InputError(f"The model {kind} has no parameters to train{frozen}.")
    return found


def check_trained(tensors: Iterable[Tensor]) -> None:
    """Refuse tensors of which none requires gradients."""
    if not any(tensor.requires_grad for tensor in tensors):
        raise InputError(
            "None of the parameters requires gradients, so there is nothing to train; call requires_grad_() on them."
        )


def check_member(name: str, param: Tensor) -> None:
    """Refuse a parameter that is lazy, and one that is trained but on the meta device or shares memory with itself."""
    if is_lazy(param):
        raise InputError(
            f"The parameter {quoted(name)} is lazy and has no shape yet; run one forward pass first, then make the "
            "optimizer."
        )
    if param.requires_grad and param.is_meta:
        raise InputError(
            f"The parameter {quoted(name)} is on the meta device and holds no numbers; call "
            "model.to_empty(device=...) and initialise it before making the optimizer."
        )
    if param.requires_grad and _is_expanded(param):
        raise InputError(
            f"The parameter {quoted(name)} of shape {tuple(param.shape)} is an expanded tensor, whose elements share "
            "memory and cannot be stepped one by one; give its clone()."
        )


def _is_expanded(param: Tensor) -> bool:
    strides = param.stride() if param.layout is torch.strided else ()
    return any(stride == 0 and size > 1 for stride, size in zip(strides, param.shape, strict=False))
