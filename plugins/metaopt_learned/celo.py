"""Celo: a small network says each coordinate's update, a learned LSTM its size (Moudgil et al. 2025).

    Δ = −0.001 · rate_t · RMS(parameter) · direction · exp(0.001 · magnitude)

Thirty features of a coordinate: those of `mlp_lopt` without time, and the gradient within ±.1 and over its root mean
square; MLP 30-4-4-3, whose third output is not used. Gradients within ±1000, decays fixed. It has no learning rate, and
needs the training loss and the planned number of steps.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt_learned import celo_checkpoint, celo_scheduler, mlp_lopt
from metaopt_learned.accumulators import fixed_decays, fresh, rolled

#: The authors have 0, whose inverse root has no finite derivative; this changes gradients below 1e-10 alone.
FLOOR = 1e-24
#: Features of a coordinate.
FEATURES = 30


def _init(
    param: Tensor, hparams: Mapping[str, Tensor], theta: Mapping[str, Tensor], horizon: Tensor | None
) -> dict[str, Tensor]:
    return fresh(param)


def _update(
    grad: Tensor,
    state: dict[str, Tensor],
    param: Tensor,
    hparams: Mapping[str, Tensor],
    theta: Mapping[str, Tensor],
    info: metaopt.StepInfo,
) -> tuple[Tensor, dict[str, Tensor]]:
    if not grad.numel():  # nothing has a mean
        return grad, state
    grad = grad.clamp(-1000.0, 1000.0)
    new = rolled(grad, state, fixed_decays(grad.device))
    direction, magnitude = mlp_lopt.network(_features(grad, param, new), None, theta)[:2]
    rate = hparams["step_mult"] * info.signals["celo_rate"]
    scale = (param.square().mean() + 1e-9).sqrt()
    update = -rate * scale * direction * torch.exp(hparams["exp_mult"] * magnitude)
    return update - rate * hparams["weight_decay"] * param, new


def _features(grad: Tensor, param: Tensor, state: Mapping[str, Tensor]) -> list[Tensor]:
    """In the order of the authors' code."""
    shared = mlp_lopt.features(grad, param, state, floor=FLOOR)
    gradient, own, rest = shared[0], shared[1:2], shared[2:13]
    normal = grad * (state["second"][0] + 1e-6).rsqrt()
    return [gradient, grad.clamp(-0.1, 0.1), *own, *rest, normal, *shared[13:]]


#: State, for each parameter: what `accumulators.fresh` makes; shared: that of the scheduler.
rule = metaopt.per_tensor(_init, _update, granularity="tensor", shared=(celo_scheduler.init, celo_scheduler.update))


def init_theta(
    params: Mapping[str, Tensor], generator: torch.Generator, hparams: Mapping[str, metaopt.Value]
) -> dict[str, Tensor]:
    """See `celo_scheduler.init_theta` and `mlp_lopt.init_network`."""
    scheduler = celo_scheduler.init_theta(int(hparams["hidden_size"]), generator)
    return {**scheduler, **mlp_lopt.init_network((FEATURES, 4, 4, 3), generator)}


spec = metaopt.OptimizerSpec(
    name="celo",
    version="1",
    summary="A small network says updates, a learned LSTM their size.",
    rule=rule,
    space={
        "step_mult": metaopt.Float(1e-4, 1e-2, log=True, default=1e-3, valid="(0, inf)"),
        "exp_mult": metaopt.Float(1e-4, 1e-2, log=True, default=1e-3, valid="[0, inf)"),
        "weight_decay": metaopt.Float(1e-3, 10.0, log=True, default=0.0, valid="[0, inf)"),
    },
    requires=frozenset({"loss", "horizon"}),
    proposed=False,
    meta=metaopt.MetaTraining(
        init_theta=init_theta,
        objective="trajectory",
        orders=("first",),
        space={"hidden_size": metaopt.Int(8, 128, log=True, default=64, valid="[1, inf)")},
        truncation=20,
        imported=celo_checkpoint.imported,
    ),
    references=("https://arxiv.org/abs/2501.12670", "https://github.com/amoudgl/celo"),
)
