"""Rules compute in float32 or better, whatever the parameters' precision; these are the ways there and back."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from metaopt.contracts import keys_in_order

_WIDE = frozenset({torch.float32, torch.float64})


def widened(tensor: Tensor) -> Tensor:
    """Detached, and in float32 if the dtype has less."""
    detached = tensor.detach()
    return detached if detached.dtype in _WIDE else detached.float()


def gradient_norm(grads: Iterable[Tensor]) -> Tensor:
    """Euclidean norm of all gradients together, 0-d, in one call over all of them; 0 where there are none."""
    with torch.no_grad():
        found = list(grads)
        dtypes = {grad.dtype for grad in found}
        if len(dtypes) == 1 and dtypes <= _WIDE and len({grad.device for grad in found}) == 1:
            norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(found)))
            return norm
        return torch.nn.utils.get_total_norm([grad if grad.dtype in _WIDE else grad.float() for grad in found])


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
