"""AdEMAMix: AdamW with a second, slow momentum beside the fast one (Pagliardini et al. 2024).

    m1 = β1·m1 + (1-β1)·g
    m2 = β·m2 + (1-β)·g
    v  = β2·v + (1-β2)·g²
    w  = w - η·( (m1/(1-β1^t) + a·m2) / (√(v/(1-β2^t)) + ε) + λ·w )

η is `lr`, λ `weight_decay`, ε `eps`; t ≥ 1 counts the tensor's own steps. During the first T steps, `warmup` times the
planned ones, a rises in a line to `alpha`, and β from β1 to β3, so that the half-life of m2 does:

    a = alpha·min(1, t/T),        1/ln β = (1 - t/T)/ln β1 + (t/T)/ln β3

as in the authors' code. `warmup` 0 begins with `alpha` and β3.

**Precision.** Moments are float32: three numbers a parameter.

When to use it: in place of `adamw` for long trainings, whose old gradients still say something; short ones end before
the slow momentum does.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams, TensorState, Theta
from metaopt_optimizers._shared.moments import TINY, bias_correction, counter, decayed, root, shrunk, state_dtype, zeros


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    return {
        "step": counter(param),
        "exp_avg": zeros(param),
        "exp_avg_slow": zeros(param),
        "exp_avg_sq": zeros(param),
    }


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    dtype = state_dtype(param)
    grad, param = grad.to(dtype), param.to(dtype)
    step = state["step"] + 1
    alpha, beta = _scheduled(step, hparams, info)
    fast = decayed(state["exp_avg"], grad, hparams["beta1"])
    slow = decayed(state["exp_avg_slow"], grad, beta)
    square = decayed(state["exp_avg_sq"], grad * grad, hparams["beta2"])
    root_correction = bias_correction(hparams["beta2"], step).sqrt()
    share = (1 / bias_correction(hparams["beta1"], step)).to(grad.device, dtype)
    mixed = share * fast + alpha.to(grad.device, dtype) * slow
    rate = (-hparams["lr"] * root_correction).to(grad.device, dtype)
    decay = shrunk(param, hparams["lr"], hparams["weight_decay"]) - param
    denominator = root(square) + (hparams["eps"] * root_correction).to(grad.device, dtype)
    update = torch.addcdiv(decay, rate * mixed, denominator)
    return update, {"step": step, "exp_avg": fast, "exp_avg_slow": slow, "exp_avg_sq": square}


def _scheduled(step: Tensor, hparams: TensorHparams, info: StepInfo) -> tuple[Tensor, Tensor]:
    """The slow momentum's share and its decay at a step, 0-d."""
    assert info.horizon is not None  # required
    length = (hparams["warmup"] * info.horizon.to(hparams["warmup"].device)).clamp(min=1.0)
    risen = torch.where(hparams["warmup"] > 0, (step.to(length.device) / length).clamp(max=1.0), 1.0)
    first, last = (torch.log(hparams[name].clamp(min=TINY)) for name in ("beta1", "beta3"))
    beta = torch.exp(first * last / ((1 - risen) * last + risen * first))
    return hparams["alpha"] * risen, torch.minimum(beta, hparams["beta3"])


#: AdEMAMix as a pure rule. State: `exp_avg`, `exp_avg_slow` and `exp_avg_sq`, of the parameter's shape; `step`, 0-d.
rule = metaopt.per_tensor(_init, _update)

spec = metaopt.OptimizerSpec(
    name="ademamix",
    version="1",
    summary="AdamW with a second, slow momentum.",
    rule=rule,
    packs={"betas": ("beta1", "beta2", "beta3")},
    requires=frozenset({"horizon"}),
    proposed=False,
    space={
        "lr": metaopt.Float(1e-5, 1e-1, log=True, default=1e-3, valid="[0, inf)"),
        "beta1": metaopt.Float(0.8, 0.99, default=0.9, valid="[0, 1)"),
        "beta2": metaopt.Float(0.9, 0.9999, default=0.999, valid="[0, 1)"),
        "beta3": metaopt.Float(0.99, 0.9999, default=0.9999, valid="(0, 1)"),
        "alpha": metaopt.Float(1.0, 10.0, default=5.0, valid="[0, inf)"),
        "warmup": metaopt.Float(1.0, 1.0, default=1.0, valid="[0, inf)"),
        "eps": metaopt.Float(1e-10, 1e-6, log=True, default=1e-8, valid="[1e-15, inf)"),
        "weight_decay": metaopt.Float(1e-5, 1.0, log=True, default=1e-2, valid="[0, inf)"),
    },
    rate_law=metaopt.RateLaw(),
    references=("https://arxiv.org/abs/2409.03137", "https://github.com/apple/ml-ademamix"),
)
