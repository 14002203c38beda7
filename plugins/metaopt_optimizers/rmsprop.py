"""RMSprop with momentum, plain or centred, as `torch.optim.RMSprop`.

    g' = g + λ·w
    v  = α·v + (1-α)·g'²
    c  = α·c + (1-α)·g'
    b  = μ·b + g' / (√(v - c²  if centered else  v) + ε)
    w  = w - η·b

η is `lr`, α `alpha`, μ `momentum`, λ `weight_decay` (coupled), ε `eps`. Where rounding makes v - c² negative
the rule takes 0 and torch NaN.

When to use it: where a published setting asks for it, as for many recurrent networks and in reinforcement learning, and
for small models, which its default rate suits. `adamw` adds momentum with a corrected start.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams, TensorState, Theta
from metaopt_optimizers._shared.moments import add_scaled, decayed, root, state_dtype, zeros


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    return {"square_avg": zeros(param), "grad_avg": zeros(param), "momentum_buffer": zeros(param)}


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    dtype = state_dtype(param)
    decayed_grad = add_scaled(grad.to(dtype), hparams["weight_decay"], param.to(dtype))
    square = decayed(state["square_avg"], decayed_grad * decayed_grad, hparams["alpha"])
    mean = decayed(state["grad_avg"], decayed_grad, hparams["alpha"])
    spread = torch.addcmul(square, -hparams["centered"].to(square) * mean, mean)
    direction = decayed_grad / (root(spread) + hparams["eps"])
    buffer = add_scaled(direction, hparams["momentum"], state["momentum_buffer"])
    new_state = {"square_avg": square, "grad_avg": mean, "momentum_buffer": buffer}
    return -hparams["lr"] * buffer, new_state


#: RMSprop as a pure rule. State: `square_avg`, `grad_avg` and `momentum_buffer`, of the parameter's shape.
rule = metaopt.per_tensor(_init, _update)

spec = metaopt.OptimizerSpec(
    name="rmsprop",
    version="1",
    summary="Steps divided by the root of a decaying average of squared gradients.",
    rule=rule,
    native=metaopt.Native(module="torch.optim", qualname="RMSprop"),
    space={
        "lr": metaopt.Float(1e-5, 1e-1, log=True, default=1e-2, valid="[0, inf)"),
        "alpha": metaopt.Float(0.9, 0.999, default=0.99, valid="[0, 1)"),
        "eps": metaopt.Float(1e-10, 1e-6, log=True, default=1e-8, valid="[1e-15, inf)"),
        "momentum": metaopt.Float(0.0, 0.95, default=0.0, valid="[0, 1)"),
        "centered": metaopt.Categorical((False, True)),
        "weight_decay": metaopt.Float(1e-6, 1e-2, log=True, default=0.0, valid="[0, inf)"),
    },
    references=(
        "https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf",
        "https://arxiv.org/abs/1308.0850",
        "https://pytorch.org/docs/stable/generated/torch.optim.RMSprop.html",
    ),
)
