"""NAdamW: Adam with Nesterov momentum and decoupled weight decay.

    μ_t = β1·(1 - ½·0.96^(t·ψ)),       M_t = μ_1 ⋯ μ_t
    m   = β1·m + (1-β1)·g
    v   = β2·v + (1-β2)·g²
    w   = w - η·λ·w - η·( (1-μ_t)/(1-M_t)·g + μ_{t+1}/(1-M_{t+1})·m ) / (√(v/(1-β2^t)) + ε)

η is `lr`, λ `weight_decay`, ψ `momentum_decay`, ε `eps`; t ≥ 1 counts the tensor's own steps. This is
`torch.optim.NAdam(decoupled_weight_decay=True)`. With a large ψ, such as 1000, μ_t = β1 from the first step and the
direction becomes the constant-β1 form of Dozat and of optax's `nadamw`:

    ( (1-β1)/(1-β1^t)·g + β1/(1-β1^(t+1))·m ) / (√(v/(1-β2^t)) + ε)

When to use it: where `adamw` would be used: Nesterov momentum costs nothing more, and often trains a little faster
early on.
"""

import math

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams, TensorState, Theta
from metaopt_optimizers._shared.moments import (
    bias_correction,
    counter,
    decayed,
    root,
    shrunk,
    state_dtype,
    zeros,
)


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    product = torch.ones((), dtype=state_dtype(param), device=param.device)
    return {"step": counter(param), "mu_product": product, "exp_avg": zeros(param), "exp_avg_sq": zeros(param)}


def _momentum(hparams: TensorHparams, step: Tensor) -> Tensor:
    """μ_t, 0-d."""
    return hparams["beta1"] * (1 - 0.5 * torch.exp(math.log(0.96) * hparams["momentum_decay"] * step))


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    dtype = state_dtype(param)
    grad, param = grad.to(dtype), param.to(dtype)
    step = state["step"] + 1
    momentum, next_momentum = _momentum(hparams, step), _momentum(hparams, step + 1)
    product = state["mu_product"] * momentum
    mean = decayed(state["exp_avg"], grad, hparams["beta1"])
    square = decayed(state["exp_avg_sq"], grad * grad, hparams["beta2"])
    root_correction = bias_correction(hparams["beta2"], step).sqrt()
    rate = -hparams["lr"] * root_correction
    grad_rate, mean_rate = rate * (1 - momentum) / (1 - product), rate * next_momentum / (1 - product * next_momentum)
    denominator = root(square) + hparams["eps"] * root_correction
    moved = shrunk(param, hparams["lr"], hparams["weight_decay"])
    moved = torch.addcdiv(moved, grad_rate * grad, denominator)
    moved = torch.addcdiv(moved, mean_rate * mean, denominator)
    return moved - param, {"step": step, "mu_product": product, "exp_avg": mean, "exp_avg_sq": square}


#: NAdamW as a pure rule. State: `exp_avg` and `exp_avg_sq`, of the parameter's shape; `step` and `mu_product`, 0-d.
rule = metaopt.per_tensor(_init, _update)

spec = metaopt.OptimizerSpec(
    name="nadamw",
    version="1",
    summary="Adam with Nesterov momentum and decoupled weight decay.",
    rule=rule,
    native=metaopt.Native(module="torch.optim", qualname="NAdam", fixed={"decoupled_weight_decay": True}),
    packs={"betas": ("beta1", "beta2")},
    space={
        "lr": metaopt.Float(1e-5, 1e-1, log=True, default=2e-3, valid="[0, inf)"),
        "beta1": metaopt.Float(0.8, 0.99, default=0.9, valid="[0, 1)"),
        "beta2": metaopt.Float(0.9, 0.9999, default=0.999, valid="[0, 1)"),
        "eps": metaopt.Float(1e-10, 1e-6, log=True, default=1e-8, valid="[1e-15, inf)"),
        "weight_decay": metaopt.Float(1e-5, 1.0, log=True, default=0.0, valid="[0, inf)"),
        "momentum_decay": metaopt.Float(1e-3, 10.0, log=True, default=4e-3, valid="[0, inf)"),
    },
    rate_law=metaopt.RateLaw(),
    references=(
        "https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ",
        "https://arxiv.org/abs/1711.05101",
        "https://pytorch.org/docs/stable/generated/torch.optim.NAdam.html",
    ),
)
