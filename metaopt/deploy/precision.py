"""Rules compute in float32 or better, whatever the parameters' precision; these are the ways there and back."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors

from metaopt.contracts import keys_in_order

#: Numbers of a tensor that is laid end to end with others before its norm is taken.
SHORT = 8192
_WIDE = frozenset({torch.float32, torch.float64})


def widened(tensor: Tensor) -> Tensor:
    """Detached, and in float32 if the dtype has less."""
    detached = tensor.detach()
    return detached if detached.dtype in _WIDE else detached.float()


def gradient_norm(grads: Iterable[Tensor], *, dtype: torch.dtype | None = None) -> Tensor:
    """Euclidean norm of all gradients together, 0-d, in few calls over all of them; 0 where there are none.

    Args:
        grads: of any dtypes, devices and layouts.
        dtype: to compute and answer in; float32 where gradients have less if left out, else their own.
    """
    with torch.no_grad():
        found = [grad if grad.layout is torch.strided else _stored(grad) for grad in grads]
        dtypes = {grad.dtype for grad in found}
        if dtype is None and not dtypes <= _WIDE:
            dtype = torch.float32
        if not len(dtypes) == len({grad.get_device() for grad in found}) == len({type(grad) for grad in found}) == 1:
            return torch.nn.utils.get_total_norm([grad if dtype is None else grad.to(dtype) for grad in found])
        norms = torch._foreach_norm(_joined(found), 2, dtype)
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms)) if len(norms) > 1 else norms[0]
        return norm


def _joined(grads: list[Tensor]) -> list[Tensor]:
    """Short tensors on the CPU laid end to end, where a call for each would take longer than a copy."""
    if type(grads[0]) is not Tensor or not grads[0].is_cpu:
        return grads
    short = [grad for grad in grads if grad.numel() <= SHORT]
    if len(short) < 2:
        return grads
    return [*(grad for grad in grads if grad.numel() > SHORT), _flatten_dense_tensors(short)]


def _stored(grad: Tensor) -> Tensor:
    """The numbers that a sparse gradient holds, each entry once."""
    return grad.coalesce().values() if grad.layout is torch.sparse_coo else grad.to_dense()


def add_update(param: Tensor, wide: Tensor, update: Tensor) -> None:
    """Write `wide + update` into `param`, rounded once; `wide` is `param` in the rule's precision."""
    if wide.dtype == param.dtype:
        param.add_(update.to(param.dtype))
    else:
        param.copy_(wide + update)


def like(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The new state in the old one's dtypes, its keys in the old one's order."""
    return {key: value.to(old[key].dtype) for key, value in keys_in_order(new, old).items()}


def placed(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Copies on a device, in their own dtypes."""
    return {key: tensor.detach().to(device, copy=True) for key, tensor in tensors.items()}
