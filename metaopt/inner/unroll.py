"""A differentiable inner loop: the rule applied to a loss for some steps, with gradients through it."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.contracts import Hparams, Params, Rule, State, StepInfo, Tensors, Theta, in_order
from metaopt.pure_layers import twice_differentiable
from metaopt.tracing import FUNCTIONAL, Transforms


@dataclass(frozen=True, slots=True)
class Unrolled:
    """Where an unroll ended.

    Attributes:
        params: parameters after the last step.
        state: the rule's state after it.
        losses: training loss before each step, shape (steps,).
    """

    params: Tensors
    state: State
    losses: Tensor


def unroll(
    rule: Rule,
    loss: Callable[..., Tensor],
    params: Params,
    batches: Sequence[tuple[Tensor, ...]],
    hparams: Hparams,
    theta: Theta,
    *,
    state: State | None = None,
    first_step: int | Tensor = 0,
    horizon: int | Tensor | None = None,
    first_order: bool = False,
    requires: frozenset[str] = frozenset(),
    rate: Callable[[StepInfo], Tensor] | None = None,
    transforms: Transforms = FUNCTIONAL,
) -> Unrolled:
    """Take one step of the rule for each batch: p ← p + update(∇loss(p, batch)).

    Everything is a tensor expression of `params`, `hparams` and `theta`, so that autograd, `torch.func.grad` and
    `torch.vmap` apply to the result.

    Args:
        rule: the optimizer.
        loss: `(params, *batch) -> 0-d tensor`, differentiable.
        params: parameters before the first step; the rule's learned start replaces them if `state` is None.
        batches: one tuple of tensors for each step.
        hparams: for each parameter's name, 0-d tensors.
        theta: learned weights.
        state: continue from this state (truncated unrolls) instead of `rule.init`.
        first_step: steps completed before, a number or 0-d.
        horizon: planned number of steps, a number or 0-d; `first_step + len(batches)` if left out.
        first_order: treat the inner gradients, and the losses that the rule sees, as constants.
        requires: signals that the rule requires; `"gradient_norm"` can be had, and `"loss"` always is.
        rate: a schedule: what the rule's `lr` is multiplied by at a step.
        transforms: how gradients are made; the plain ones for a loss that `torch.func` cannot follow.
    """
    plan = torch.as_tensor(first_step + len(batches) if horizon is None else horizon, dtype=torch.float32)
    current = dict(params)
    if state is None:
        started = rule.start(current, theta)
        current = {name: started[name] for name in current}
        state = rule.init(current, hparams, theta, plan)
    losses = []
    for offset, batch in enumerate(batches):
        with nullcontext() if first_order else twice_differentiable():
            grads, value = transforms.grad_and_value(loss)(current, *batch)
        seen_loss = value.detach() if first_order else value
        if first_order:
            grads = {name: grad.detach() for name, grad in grads.items()}
        step = torch.as_tensor(first_step + offset, dtype=torch.float32)
        info = StepInfo(step=step, horizon=plan, loss=seen_loss, signals=_signals(grads, requires))
        scaled = hparams if rate is None else _scaled(hparams, rate(info))
        updates, new = rule.update(grads, state, current, scaled, theta, info)
        state = in_order(new, state)
        current = {name: value + updates[name] if name in updates else value for name, value in current.items()}
        losses.append(value)
    return Unrolled(current, state, torch.stack(losses))


def _scaled(hparams: Hparams, rate: Tensor) -> dict[str, dict[str, Tensor]]:
    return {name: {**own, "lr": own["lr"] * rate.to(own["lr"].dtype)} for name, own in hparams.items()}


def _signals(grads: Tensors, requires: frozenset[str]) -> Tensors:
    if "gradient_norm" not in requires:
        return {}
    return {"gradient_norm": torch.stack([grad.square().sum() for grad in grads.values()]).sum().sqrt()}
