"""How gradients are made smaller before a rule sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from metaopt.contracts.rule import Tensors


@final
@dataclass(frozen=True)
class GradientLimits:
    """Each gradient is multiplied by a factor, and then kept within a bound: max(-bound, min(bound, factor·g)).

    Tensors that share a factor or bound name one and the same object: they are served in one call.

    Attributes:
        factors: by name, 0-d or of a shape that broadcasts to the gradient's; where there is none the factor is 1.
        bounds: by name, 0-d; where there is none, nothing is cut.
    """

    factors: Mapping[str, Tensor] = field(default_factory=dict)
    bounds: Mapping[str, Tensor] = field(default_factory=dict)

    def of(self, grads: Mapping[str, Tensor]) -> Tensors:
        """The limited gradients, as new tensors; pure."""
        limited = {}
        for name, grad in grads.items():
            factor, bound = self.factors.get(name), self.bounds.get(name)
            smaller = grad if factor is None else grad * _like(factor, grad)
            limited[name] = smaller if bound is None else _cut(smaller, _like(bound, grad))
        return limited

    def write(self, grads: Mapping[str, Tensor]) -> None:
        """The same in place, in few calls over all tensors; where a factor on the CPU is 1, nothing is written."""
        for factor, members in _sharing(self.factors, grads):
            if factor.ndim:
                torch._foreach_mul_(members, [_like(factor, member) for member in members])
            elif not (factor.is_cpu and bool(factor == 1)):
                torch._foreach_mul_(members, _like(factor, members[0]))
        for bound, members in _sharing(self.bounds, grads):
            largest = float(bound)
            torch._foreach_clamp_max_(members, largest)
            torch._foreach_clamp_min_(members, -largest)


def _like(number: Tensor, grad: Tensor) -> Tensor:
    return number.to(grad.device, grad.dtype)


def _cut(grad: Tensor, bound: Tensor) -> Tensor:
    return torch.maximum(torch.minimum(grad, bound), -bound)


def _sharing(limits: Mapping[str, Tensor], grads: Mapping[str, Tensor]) -> list[tuple[Tensor, list[Tensor]]]:
    """Each limit, and the gradients of one dtype on one device that share it."""
    groups: dict[tuple[int, torch.dtype, torch.device], tuple[Tensor, list[Tensor]]] = {}
    for name, limit in limits.items():
        if name in grads:
            grad = grads[name]
            groups.setdefault((id(limit), grad.dtype, grad.device), (limit, []))[1].append(grad)
    return list(groups.values())
