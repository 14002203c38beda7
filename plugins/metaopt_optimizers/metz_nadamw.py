"""NAdamW as in the learned list of Metz et al. (2020), which names 1,000 of its settings.

    g = g - λ₂·w
    m = β1·m + (1-β1)·g
    v = β2·v + (1-β2)·g²
    u = β1·m + (1-β1)·g   with `nesterov`, else m
    η = lr·√(1-β2^t)/(1-β1^t)
    w = w - η·(u/(√v + ε) + λ·w)

λ₂ is `l2`, λ `weight_decay`, ε `eps`; t ≥ 1 counts the tensor's own steps. It differs from `adamw` and `nadamw` in ways
that matter for this list: ε is not corrected for bias (the list has ε up to 8,790), the weight decay is scaled by the
corrected rate, and all published implementations subtract λ₂·w from the gradient where an L2 penalty would add it. So
does this one: the list was learned that way.

When to use it: to run entries of the learned list exactly as its authors did (`metaopt tune --start-from
opt_list.json`). Otherwise take `nadamw`, whose numbers mean what they mean elsewhere.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams, TensorState, Theta
from metaopt_optimizers._shared.moments import bias_correction, counter, decayed, root, state_dtype, zeros


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    return {"step": counter(param), "exp_avg": zeros(param), "exp_avg_sq": zeros(param)}


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    dtype = state_dtype(param)
    grad, param = grad.to(dtype), param.to(dtype)
    grad = (grad - hparams["l2"] * param).to(dtype)
    step = state["step"] + 1
    mean = decayed(state["exp_avg"], grad, hparams["beta1"])
    square = decayed(state["exp_avg_sq"], grad * grad, hparams["beta2"])
    ahead = torch.where(hparams["nesterov"] > 0, decayed(mean, grad, hparams["beta1"]), mean)
    rate = hparams["lr"] * bias_correction(hparams["beta2"], step).sqrt() / bias_correction(hparams["beta1"], step)
    direction = ahead / (root(square) + hparams["eps"]) + hparams["weight_decay"] * param
    return -rate * direction, {"step": step, "exp_avg": mean, "exp_avg_sq": square}


#: The rule. State: `exp_avg` and `exp_avg_sq`, of the parameter's shape, and `step`, 0-d.
rule = metaopt.per_tensor(_init, _update)

spec = metaopt.OptimizerSpec(
    name="metz_nadamw",
    version="1",
    summary="NAdamW as in the learned list of Metz et al.",
    rule=rule,
    packs={"betas": ("beta1", "beta2")},
    space={
        "lr": metaopt.Float(1e-5, 1.0, log=True, default=1e-3, valid="[0, inf)"),
        "beta1": metaopt.Float(0.0, 0.999, default=0.9, valid="[0, 1)"),
        "beta2": metaopt.Float(0.0, 0.9999, default=0.999, valid="[0, 1)"),
        "eps": metaopt.Float(1e-8, 1e4, log=True, default=1e-8, valid="[1e-15, inf)"),
        "nesterov": metaopt.Categorical((True, False)),
        "weight_decay": metaopt.Float(1e-6, 0.1, log=True, default=0.0, valid="[0, inf)"),
        "l2": metaopt.Float(1e-6, 0.1, log=True, default=0.0, valid="[0, inf)"),
    },
    proposed=False,
    rate_law=metaopt.RateLaw(),
    references=("https://arxiv.org/abs/2002.11887", "https://github.com/google-research/google-research"),
)
