"""Rules compute in float32 or better, whatever the parameters' precision; these are the ways there and back."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors

from metaopt.contracts import keys_in_order
from metaopt.shards import full, is_sharded, laid_as, local, settled, sum_of_shards

#: Numbers of a tensor that is laid end to end with others before its norm is taken.
SHORT = 8192
_WIDE = frozenset({torch.float32, torch.float64})


def widened(tensor: Tensor) -> Tensor:
    """The tensor, detached, and in float32 if its dtype has less precision."""
    detached = tensor.detach()
    return detached if detached.dtype in _WIDE else detached.float()


def gradient_norm(grads: Iterable[Tensor], *, dtype: torch.dtype | None = None) -> Tensor:
    """Euclidean norm of all gradients together, 0-d, in few calls over all of them; 0 where there are none.

    Where ranks hold parts of gradients (DTensors) it is that of whole ones, and all ranks have to call it.

    Args:
        grads: of any dtypes, devices and layouts.
        dtype: to compute and answer in; float32 where gradients have less if left out, else their own.
    """
    gradients = list(grads)
    with torch.no_grad():
        norms = _plain_norms(gradients, dtype) or _norms(gradients, dtype)
        return norms[0] if len(norms) == 1 else _length(norms)


def _plain_norms(grads: list[Tensor], dtype: torch.dtype | None) -> list[Tensor]:
    """Norms of float32 gradients on the CPU, which are most; empty where one is something else.

    Short ones are laid end to end, since a call for each would take longer than the copy.
    """
    short: list[Tensor] = []
    long: list[Tensor] = []
    for grad in grads:
        if (
            type(grad) is not Tensor
            or grad.layout is not torch.strided
            or grad.dtype is not torch.float32
            or not grad.is_cpu
        ):
            return []
        (short if grad.numel() <= SHORT else long).append(grad)
    if short:
        long.append(_flatten_dense_tensors(short) if len(short) > 1 else short[0])
    return list(torch._foreach_norm(long, 2, dtype)) if long else []


def _norms(grads: list[Tensor], dtype: torch.dtype | None) -> list[Tensor]:
    if any(map(is_sharded, grads)):
        return [_norm_of_shards([settled(grad) for grad in grads], dtype)]
    dense = [grad if grad.layout is torch.strided else _stored(grad) for grad in grads]
    dtypes = {grad.dtype for grad in dense}
    if dtype is None and not dtypes <= _WIDE:
        dtype = torch.float32
    if len(dtypes) == len({grad.device for grad in dense}) == 1:
        return list(torch._foreach_norm(dense, 2, dtype))
    return [torch.nn.utils.get_total_norm([grad if dtype is None else grad.to(dtype) for grad in dense])]


def _norm_of_shards(grads: list[Tensor], dtype: torch.dtype | None) -> Tensor:
    norms = [gradient_norm([local(grad)], dtype=dtype) for grad in grads]
    squares = [norm.double().square() for norm in norms]  # which float32 may not hold
    return sum_of_shards(squares, grads).sqrt().to(norms[0].dtype)


def _length(numbers: list[Tensor]) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(torch.stack(numbers))
    return length


def _stored(grad: Tensor) -> Tensor:
    """The numbers that a sparse gradient holds, each entry once."""
    return grad.coalesce().values() if grad.layout is torch.sparse_coo else grad.to_dense()


def add_update(param: Tensor, wide: Tensor, update: Tensor) -> None:
    """Write `wide + update` into `param`, rounded once; `wide` is `param` in the rule's precision."""
    if wide.dtype == param.dtype:
        param.add_(update.to(param.dtype))
    else:
        param.copy_(wide + update)


def in_dtypes_of(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The new state in the old one's dtypes, its keys in the old one's order."""
    return {key: value.to(old[key].dtype) for key, value in keys_in_order(new, old).items()}


def numberless(param: Tensor) -> Tensor:
    """A plain tensor of a parameter's whole shape and memory order, without numbers."""
    if is_sharded(param):
        return torch.empty(param.shape, dtype=param.dtype, device="meta")
    return torch.empty_like(param, device="meta")


def placed(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """Copies of tensors on a device, in their own dtypes; whole where ranks hold parts of them."""
    return {key: full(tensor).detach().to(device, copy=True) for key, tensor in tensors.items()}


def placed_as(tensors: Mapping[str, Tensor], param: Tensor) -> dict[str, Tensor]:
    """Copies of a parameter's state on its device and, where they have its shape, on ranks as it is."""
    copies = {key: tensor.detach().to(param.device, copy=True) for key, tensor in tensors.items()}
    return {key: laid_as(tensor, param) for key, tensor in copies.items()}
