"""Lion: the sign of an interpolated momentum, with decoupled weight decay.

    w = w - η·( sign(β1·m + (1-β1)·g) + λ·w )
    m = β2·m + (1-β2)·g

η is `lr`, λ `weight_decay`. The sign's derivative is 0, so meta-gradients reach w only through η and λ.

When to use it: where memory is short, since it keeps one tensor a parameter where Adam keeps two, and batches are
large. Its rate is three to ten times lower than Adam's, its weight decay as much higher.
"""

from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams, TensorState, Theta
from metaopt_optimizers._shared.moments import add_scaled, decayed, shrunk, state_dtype, zeros


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    return {"exp_avg": zeros(param)}


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    dtype = state_dtype(param)
    grad, param = grad.to(dtype), param.to(dtype)
    direction = decayed(state["exp_avg"], grad, hparams["beta1"]).sign()
    decay = shrunk(param, hparams["lr"], hparams["weight_decay"]) - param
    return add_scaled(decay, -hparams["lr"], direction), {"exp_avg": decayed(state["exp_avg"], grad, hparams["beta2"])}


#: Lion as a pure rule. State: `exp_avg`, of the parameter's shape.
rule = metaopt.per_tensor(_init, _update)

spec = metaopt.OptimizerSpec(
    name="lion",
    version="1",
    summary="The sign of an interpolated momentum: one state tensor, steps of equal size.",
    rule=rule,
    packs={"betas": ("beta1", "beta2")},
    space={
        "lr": metaopt.Float(1e-6, 1e-2, log=True, default=1e-4, valid="[0, inf)"),
        "beta1": metaopt.Float(0.8, 0.99, default=0.9, valid="[0, 1)"),
        "beta2": metaopt.Float(0.9, 0.999, default=0.99, valid="[0, 1)"),
        "weight_decay": metaopt.Float(1e-4, 10.0, log=True, default=0.0, valid="[0, inf)"),
    },
    rate_law=metaopt.RateLaw(),
    references=("https://arxiv.org/abs/2302.06675",),
)
