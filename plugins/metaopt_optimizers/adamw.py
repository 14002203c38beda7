"""AdamW: Adam with decoupled weight decay, as `torch.optim.AdamW`.

    m = β1·m + (1-β1)·g
    v = β2·v + (1-β2)·g²
    w = w - η·λ·w - η · m/(1-β1^t) / (√(v/(1-β2^t)) + ε)

η is `lr`, λ `weight_decay`, ε `eps`; t ≥ 1 counts the tensor's own steps.

When to use it: as the first choice for transformers and for whatever else has no rule of its own, and as the baseline
that others are compared with. It wants a tuned rate and a schedule.
"""

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
    return {"step": counter(param), "exp_avg": zeros(param), "exp_avg_sq": zeros(param)}


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    dtype = state_dtype(param)
    grad, param = grad.to(dtype), param.to(dtype)
    step = state["step"] + 1
    mean = decayed(state["exp_avg"], grad, hparams["beta1"])
    square = decayed(state["exp_avg_sq"], grad * grad, hparams["beta2"])
    # Both corrections are 0-d factors: √(v/c) + ε = (√v + ε·√c)/√c.
    root_correction = bias_correction(hparams["beta2"], step).sqrt()
    rate = hparams["lr"] * root_correction / bias_correction(hparams["beta1"], step)
    decay = shrunk(param, hparams["lr"], hparams["weight_decay"]) - param
    update = torch.addcdiv(decay, -rate * mean, root(square) + hparams["eps"] * root_correction)
    return update, {"step": step, "exp_avg": mean, "exp_avg_sq": square}


#: AdamW as a pure rule. State: `exp_avg` and `exp_avg_sq`, of the parameter's shape, and `step`, 0-d.
rule = metaopt.per_tensor(_init, _update)

spec = metaopt.OptimizerSpec(
    name="adamw",
    version="1",
    summary="Adam with decoupled weight decay.",
    rule=rule,
    native=metaopt.Native(module="torch.optim", qualname="AdamW", fused=True),
    packs={"betas": ("beta1", "beta2")},
    space={
        "lr": metaopt.Float(1e-5, 1e-1, log=True, default=1e-3, valid="[0, inf)"),
        "beta1": metaopt.Float(0.8, 0.99, default=0.9, valid="[0, 1)"),
        "beta2": metaopt.Float(0.9, 0.9999, default=0.999, valid="[0, 1)"),
        "eps": metaopt.Float(1e-10, 1e-6, log=True, default=1e-8, valid="[1e-15, inf)"),
        "weight_decay": metaopt.Float(1e-5, 1.0, log=True, default=1e-2, valid="[0, inf)"),
    },
    rate_law=metaopt.RateLaw(),
    references=("https://arxiv.org/abs/1412.6980", "https://arxiv.org/abs/1711.05101"),
)
