"""Celo's scheduler around Adam (Moudgil et al. 2025): the learned LSTM says the rate at each step.

    Δ = −η · rate_t · (m̂ / (√(v̂ + 1e-10) + 1e-8) + λ · parameter)

m and v are Adam's moments with decays .9 and .999, of gradients within ±1000; η = 0.001 and λ = 0 are the authors'. It
needs the training loss and the planned number of steps.

When to use it: as `celo`, with Adam's direction: a learned schedule for Adam. It needs weights; none ship.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt import Params, StepInfo, TensorHparams, Tensors, TensorState, Theta
from metaopt_learned._shared import celo_checkpoint, celo_scheduler
from metaopt_learned._shared.celo_scheduler import CLIP
from metaopt_learned._shared.whole_training import HIDDEN_SIZE, LR, WEIGHT_DECAY, by_evolution, check_shapes

BETA1, BETA2 = 0.9, 0.999


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    zeros = torch.zeros_like(param, dtype=torch.float32)
    return {"step": torch.zeros((), device=param.device), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    step, clipped = state["step"] + 1, grad.clamp(-CLIP, CLIP)
    # 1 − .999 in float32, as the authors have it, is not the float32 that is nearest to .001.
    beta1, beta2 = (torch.full_like(step, beta) for beta in (BETA1, BETA2))
    first = beta1 * state["exp_avg"] + (1 - beta1) * clipped
    second = beta2 * state["exp_avg_sq"] + (1 - beta2) * (clipped * clipped)
    root = (second / (1 - beta2**step) + 1e-10).sqrt() + 1e-8
    rate = hparams["lr"] * info.signals["celo_rate"]
    update = -(first / (1 - beta1**step)) * (rate / root) - rate * hparams["weight_decay"] * param
    return update, {"step": step, "exp_avg": first, "exp_avg_sq": second}


#: State, for each parameter: `step`, `exp_avg`, `exp_avg_sq`; shared: the scheduler's state.
rule = metaopt.per_tensor(_init, _update, shared=(celo_scheduler.init, celo_scheduler.update))


def init_theta(params: Params, generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """See `celo_scheduler.init_theta`."""
    return celo_scheduler.init_theta(int(hparams["hidden_size"]), generator)


def check(theta: Theta) -> None:
    """Check that weights are those of a scheduler; InputError otherwise."""
    check_shapes("celo_adam", theta, celo_scheduler.shapes(theta))


spec = metaopt.OptimizerSpec(
    name="celo_adam",
    version="1",
    summary="Adam whose step size a learned LSTM says.",
    rule=rule,
    space={"lr": LR, "weight_decay": WEIGHT_DECAY},
    requires=frozenset({"loss", "horizon"}),
    proposed=False,
    sets_rate=True,
    meta=by_evolution(
        init_theta,
        {"hidden_size": HIDDEN_SIZE},
        check=check,
        handover=dict,
        imported=celo_checkpoint.imported,
    ),
    references=("https://arxiv.org/abs/2501.12670", "https://github.com/amoudgl/celo"),
)
