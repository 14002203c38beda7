"""Schedule-Free AdamW, as `schedulefree.AdamWScheduleFree`.

    v = β2·v + (1-β2)·g²,                       g at y
    h = g / (√(v/(1-β2^t)) + ε) + λ·y
    γ = max(γ, η),      s = t^r · γ^p,      S = S + s,      c = s/S
    y = (1-c)·y + c·z - η·(1 - β1·(1-c))·h
    z = z - η·h
    x = y + (1 - 1/β1)·(z - y)

Training runs at the parameters y; `evaluation_params` returns the average x. η is `lr` (a controller's warm-up
counts: γ is the largest rate so far), λ `weight_decay`, p `weight_lr_power`, ε `eps`. t, γ and S belong to the
whole group in the reference: here each tensor keeps them, and they advance without its gradient too. The
reference's `warmup_steps` is left to controllers, which count in fractions of the horizon.

When to use it: when the length of the training is not known ahead, or a run shall be good at every moment: its average
takes the place of a decaying schedule. Evaluate inside `run.evaluating()`.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams, Tensors, TensorState, Theta
from metaopt_optimizers._shared.moments import (
    TINY,
    add_scaled,
    bias_correction,
    counter,
    decayed,
    root,
    state_dtype,
    zeros,
)


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    scalar = torch.zeros((), dtype=state_dtype(param), device=param.device)
    return {
        "step": counter(param),
        "lr_max": scalar,
        "weight_sum": scalar.clone(),
        "z": param.to(state_dtype(param), copy=True),
        "exp_avg_sq": zeros(param),
    }


def _advance(state: TensorState, hparams: TensorHparams) -> tuple[Tensor, TensorState]:
    """The weight c of z in the average, 0-d, and the state with its counters one step on."""
    step = state["step"] + 1
    lr_max = torch.maximum(state["lr_max"], hparams["lr"])
    weight = step ** hparams["r"] * lr_max ** hparams["weight_lr_power"]
    weight_sum = state["weight_sum"] + weight
    counters = {"step": step, "lr_max": lr_max, "weight_sum": weight_sum}
    return weight / weight_sum.clamp(min=TINY), {**state, **counters}


def _idle(state: TensorState, param: Tensor, hparams: TensorHparams, info: StepInfo) -> Tensors:
    return _advance(state, hparams)[1]


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    dtype = state_dtype(param)
    grad, y, z = grad.to(dtype), param.to(dtype), state["z"]
    weight, advanced = _advance(state, hparams)
    square = decayed(state["exp_avg_sq"], grad * grad, hparams["beta2"])
    correction = bias_correction(hparams["beta2"], advanced["step"])
    normalised = grad / (root(square / correction) + hparams["eps"])
    direction = add_scaled(normalised, hparams["weight_decay"], y)
    lr = hparams["lr"]
    drawn = torch.lerp(y, z, weight.to(dtype)) - y
    update = add_scaled(drawn, lr * (hparams["beta1"] * (1 - weight) - 1), direction)
    return update, {**advanced, "z": add_scaled(z, -lr, direction), "exp_avg_sq": square}


def _evaluation(param: Tensor, state: TensorState, hparams: TensorHparams) -> Tensor:
    y = param.to(state["z"].dtype)
    return add_scaled(y, 1 - 1 / hparams["beta1"], state["z"] - y)


#: Schedule-Free AdamW as a pure rule. State: `z` and `exp_avg_sq`, of the parameter's shape; `step`, `lr_max` and
#: `weight_sum`, 0-d.
rule = metaopt.per_tensor(_init, _update, idle=_idle, evaluation=_evaluation)

spec = metaopt.OptimizerSpec(
    name="schedulefree_adamw",
    version="1",
    summary="AdamW with averaged iterates in place of a learning-rate schedule.",
    rule=rule,
    native=metaopt.Native(
        module="schedulefree",
        qualname="AdamWScheduleFree",
        distribution="schedulefree",
        modes=True,
        group_state={"step": "k", "lr_max": "lr_max", "weight_sum": "weight_sum"},
    ),
    packs={"betas": ("beta1", "beta2")},
    space={
        "lr": metaopt.Float(1e-4, 1e-1, log=True, default=2.5e-3, valid="[0, inf)"),
        "beta1": metaopt.Float(0.8, 0.98, default=0.9, valid="(0, 1)"),
        "beta2": metaopt.Float(0.9, 0.9999, default=0.999, valid="[0, 1)"),
        "eps": metaopt.Float(1e-10, 1e-6, log=True, default=1e-8, valid="[1e-15, inf)"),
        "weight_decay": metaopt.Float(1e-5, 1e-1, log=True, default=0.0, valid="[0, inf)"),
        # The paper never tunes these two, and neither does a study.
        "r": metaopt.Float(0.0, 0.0, default=0.0, valid="[0, inf)"),
        "weight_lr_power": metaopt.Float(2.0, 2.0, default=2.0, valid="[0, inf)"),
    },
    rate_law=metaopt.RateLaw(),
    references=("https://arxiv.org/abs/2405.15682",),
)
