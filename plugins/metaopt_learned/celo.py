"""Celo: a small network says each coordinate's update, a learned LSTM its size (Moudgil et al. 2025).

    Δ = −η · rate_t · (RMS(parameter) · direction · exp(0.001 · magnitude) + λ · parameter)

Thirty features of a coordinate: those of `mlp_lopt` without time, and the gradient within ±.1 and over its root mean
square; MLP 30-4-4-3, whose third output is not used. Gradients within ±1000, decays fixed; η = 0.001 and λ = 0 are the
authors'. It needs the training loss and the planned number of steps.

When to use it: when weights of its authors or of your own are at hand (`metaopt import celo FILE`), and the number of
steps and the training loss are known. None ship.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt import Params, StepInfo, TensorHparams, Tensors, TensorState, Theta
from metaopt_learned._shared import celo_checkpoint, celo_scheduler
from metaopt_learned._shared.accumulators import fixed_decays, fresh, moments, rolled
from metaopt_learned._shared.celo_scheduler import CLIP
from metaopt_learned._shared.features import COUNT, CoordinateFeatures
from metaopt_learned._shared.small_network import first_layer, init_network, network_shapes, outputs
from metaopt_learned._shared.whole_training import EXP_MULT, HIDDEN_SIZE, LR, WEIGHT_DECAY, by_evolution, check_shapes

#: The authors have 0, whose inverse root has no finite derivative; this changes gradients below 1e-10 alone.
FLOOR = 1e-24
#: Number of features of a coordinate.
FEATURES = COUNT + 2


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    return fresh(param)


def _measure(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[TensorState, TensorState]:
    grad = grad.clamp(-CLIP, CLIP)
    new = rolled(grad, state, fixed_decays(grad.device))
    scale = (param.square().mean() + 1e-9).sqrt()
    return {"scale": scale, **first_layer(_CeloFeatures(grad, param, new), None, theta)}, new


def _update(
    grad: Tensor,
    state: TensorState,
    param: Tensor,
    hparams: TensorHparams,
    theta: Theta,
    info: StepInfo,
    measured: Params,
) -> Tensor:
    inputs = _CeloFeatures(grad.clamp(-CLIP, CLIP), param, state)
    direction, magnitude = outputs(inputs, measured, theta)[:2]
    rate = hparams["lr"] * info.signals["celo_rate"]
    step = measured["scale"] * direction * torch.exp(hparams["exp_mult"] * magnitude)
    return -rate * (step + hparams["weight_decay"] * param)


class _CeloFeatures(CoordinateFeatures):
    """The features of `mlp_lopt` and two more of the gradient, in the order of the authors' code."""

    def __init__(self, grad: Tensor, param: Tensor, state: TensorState) -> None:
        super().__init__(grad, param, state, FLOOR)
        own = len(self.places) - self.along
        self.places, self.swapped = _moved(self.places, own), _moved(self.swapped, own)

    def own(self, part: slice) -> list[Tensor]:
        grad = self.gradient(part)
        return [*super().own(part), grad.clamp(-0.1, 0.1), grad * (self.second(part) + 1e-6).rsqrt()]


def _moved(places: list[int], own: int) -> list[int]:
    """Places after the clipped gradient is inserted as the second and the divided one as the fifteenth feature."""
    moved = [place + (place > 0) + (place > 12) for place in places]
    return [*moved[:own], 1, 14, *moved[own:]]


#: State, for each parameter: what `accumulators.fresh` makes; shared: the scheduler's state.
rule = metaopt.per_tensor(
    _init, _update, measure=_measure, granularity="tensor", shared=(celo_scheduler.init, celo_scheduler.update)
)


def init_theta(params: Params, generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """See `celo_scheduler.init_theta` and `small_network.init_network`."""
    scheduler = celo_scheduler.init_theta(int(hparams["hidden_size"]), generator)
    return {**scheduler, **init_network((FEATURES, 4, 4, 3), generator)}


def check(theta: Theta) -> None:
    """Check that weights are those of a scheduler and of a small network; InputError otherwise."""
    check_shapes("celo", theta, {**celo_scheduler.shapes(theta), **network_shapes(FEATURES, theta, 3)})


spec = metaopt.OptimizerSpec(
    name="celo",
    version="1",
    summary="A small network says updates, a learned LSTM their size.",
    rule=rule,
    space={"lr": LR, "exp_mult": EXP_MULT, "weight_decay": WEIGHT_DECAY},
    requires=frozenset({"loss", "horizon"}),
    proposed=False,
    sets_rate=True,
    meta=by_evolution(
        init_theta,
        {"hidden_size": HIDDEN_SIZE},
        check=check,
        handover=moments,
        imported=celo_checkpoint.imported,
    ),
    references=("https://arxiv.org/abs/2501.12670", "https://github.com/amoudgl/celo"),
)
