"""Stochastic gradient descent with momentum, as `torch.optim.SGD`.

    g' = g + λ·w
    b  = μ·b + g'
    w  = w - η·(g' + μ·b  if nesterov else  b)

η is `lr`, μ `momentum`, λ `weight_decay` (coupled: it passes through the momentum). Dampening is left out: it
rescales the learning rate and torch forbids it with Nesterov momentum.

When to use it: for convolutional networks with BatchNorm, for large embeddings with sparse gradients, and where memory
allows no more than one tensor a parameter. It wants a rate tuned to the task, and a warm-up.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams, TensorState, Theta
from metaopt_optimizers._shared.moments import add_scaled, state_dtype, zeros


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    return {"momentum_buffer": zeros(param)}


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    dtype = state_dtype(param)
    old = state["momentum_buffer"]
    decayed_grad = add_scaled(grad.to(dtype), hparams["weight_decay"], param.to(dtype))
    buffer = add_scaled(decayed_grad, hparams["momentum"], old)
    # Plain momentum is g' + μ·(the old buffer), Nesterov's g' + μ·(the new one).
    ahead = torch.where(hparams["nesterov"] > 0, buffer, old)
    direction = add_scaled(decayed_grad, hparams["momentum"], ahead)
    return -hparams["lr"] * direction, {"momentum_buffer": buffer}


def _arguments(hparams: Mapping[str, Any]) -> dict[str, Any]:
    # torch refuses Nesterov without momentum, where the rule ignores it.
    return {**hparams, "nesterov": bool(hparams["nesterov"]) and float(hparams["momentum"]) > 0}


#: SGD as a pure rule. State: `momentum_buffer`, of the parameter's shape.
rule = metaopt.per_tensor(_init, _update)

spec = metaopt.OptimizerSpec(
    name="sgd",
    version="1",
    summary="Gradient descent with (Nesterov) momentum and coupled weight decay.",
    rule=rule,
    # Not fused: torch's fused SGD raises when a parameter gets its first gradient after others have momentum,
    # and on CUDA advances the momentum in steps that a GradScaler skips.
    native=metaopt.Native(module="torch.optim", qualname="SGD", arguments=_arguments),
    space={
        "lr": metaopt.Float(1e-4, 1.0, log=True, default=1e-3, valid="[0, inf)"),
        "momentum": metaopt.Float(0.0, 0.99, default=0.0, valid="[0, 1)"),
        "nesterov": metaopt.Categorical((False, True), when=metaopt.When("momentum", above=0.0)),
        "weight_decay": metaopt.Float(1e-6, 1e-2, log=True, default=0.0, valid="[0, inf)"),
    },
    references=(
        "https://proceedings.mlr.press/v28/sutskever13.html",
        "https://pytorch.org/docs/stable/generated/torch.optim.SGD.html",
    ),
)
