"""Gradients of each loss of a model in training: through a shared trunk, or a pass for each loss.

Of a `SharedTrunk` the heads cost one pass: with z_k what head k is given, of z = f(x), the gradients of Σ L_k by all
z_k and all weights of heads are the tasks' own ones. From ∂L_k/∂z_k = c_k, the gradient of task k is Jᵀ c_k, with J the
derivatives of z by the weights of the trunk.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.contracts import TrunkPass


@dataclass(frozen=True)
class TaskGradients:
    """What a step's losses give.

    Attributes:
        rows: of each shared parameter its gradients by task, shape (tasks, …).
        alone: of parameters that one task alone reaches, their part of the mean loss's gradient.
    """

    rows: dict[Tensor, Tensor]
    alone: dict[Tensor, Tensor]


@dataclass(frozen=True)
class HeadGradients:
    """What one pass through the heads gives.

    Attributes:
        cotangents: of each task, by what its head was given.
        alone: of the heads' parameters, their part of the mean loss's gradient.
    """

    cotangents: list[Tensor]
    alone: dict[Tensor, Tensor]


def by_pass(params: Sequence[Tensor], losses: Sequence[Tensor]) -> TaskGradients:
    """A backward pass for each loss; shared is what several losses reach.

    Args:
        params: that require gradients.
        losses: of each task, 0-d, with graphs that do not join: a sum or a stack reaches everything.
    """
    count = len(losses)
    passes = [
        torch.autograd.grad(loss, params, retain_graph=place + 1 < count, allow_unused=True)
        for place, loss in enumerate(losses)
    ]
    rows, alone = {}, {}
    for param, own in zip(params, zip(*passes, strict=True), strict=True):
        known = [gradient for gradient in own if gradient is not None]
        if len(known) == 1 and count > 1:
            alone[param] = known[0] / count
        elif known:
            rows[param] = torch.stack([torch.zeros_like(param) if each is None else each for each in own])
    return TaskGradients(rows, alone)


def through_heads(heads: Sequence[Tensor], seen: TrunkPass, losses: Sequence[Tensor]) -> HeadGradients | None:
    """One pass through all heads; None where the losses are not of the pass that was seen.

    Args:
        heads: their parameters that require gradients.
        seen: what the forward pass that the losses are of left.
        losses: of each task, 0-d, with their graphs.
    """
    views = list(seen.views.values())
    if len(views) != len(losses) or not all(view.requires_grad for view in views):
        return None
    total = torch.stack(list(losses)).sum()
    gradients = torch.autograd.grad(total, [*views, *heads], retain_graph=True, allow_unused=True)
    cotangents = [each for each in gradients[: len(views)] if each is not None]
    if len(cotangents) < len(views):
        return None
    pairs = zip(heads, gradients[len(views) :], strict=True)
    own = {param: each for param, each in pairs if each is not None}
    shares = torch._foreach_div(list(own.values()), float(len(losses))) if own else ()
    return HeadGradients(cotangents, dict(zip(own, shares, strict=True)))


def through_trunk(
    seen: TrunkPass, trunk: Sequence[Tensor], cotangents: Sequence[Tensor], rows: dict[Tensor, Tensor]
) -> dict[Tensor, Tensor]:
    """Rows of each parameter of the trunk that is used, by a pass through it for each task.

    Side by side under `torch.vmap` they take twice as long where a trunk is small, and no less where it is large.

    Args:
        seen: what the forward pass left.
        trunk: its parameters that require gradients.
        cotangents: of each task.
        rows: those of an earlier step, which are written to; further ones are added.
    """
    outputs = list(seen.views.values()) if seen.shared is None else [seen.shared] * len(cotangents)
    passes = [pulled(output, trunk, each) for output, each in zip(outputs, cotangents, strict=True)]
    used: dict[Tensor, Tensor] = {}
    for param, own in zip(trunk, zip(*passes, strict=True), strict=True):
        if all(each is None for each in own):
            continue
        if param not in rows or len(rows[param]) != len(own):
            rows[param] = torch.empty(len(own), *param.shape, dtype=param.dtype, device=param.device)
        whole = [torch.zeros_like(param) if each is None else each.to(param.dtype) for each in own]
        used[param] = torch.stack(whole, out=rows[param])
    return used


def pulled(output: Tensor, trunk: Sequence[Tensor], cotangent: Tensor) -> Sequence[Tensor | None]:
    """The gradient of each parameter of the trunk from that of its output; None for those that are not used."""
    return torch.autograd.grad(output, trunk, cotangent, retain_graph=True, allow_unused=True)
