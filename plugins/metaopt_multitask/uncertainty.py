"""Weights by learned uncertainty (Kendall, Gal and Cipolla 2018, equation 7).

    minimise over the weights and over s:   Σ_k exp(−s_k) L_k + s_k,        w_k = exp(−s_k)

s_k = log σ_k², the logarithm of a task's noise. It falls where the loss does, so that each task's weight tends to one
over its loss, whatever its unit. The s are trained beside the model by Adam at a rate of their own; they begin at 0, so
that all weights begin at 1. The paper's halves, which are the same for all tasks, are left out.

When to use it: where losses are of different kinds and units, a cross-entropy beside a squared error.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8


def init(tasks: int, hparams: TensorHparams) -> dict[str, Tensor]:
    """s, and Adam's moments of its gradient, shape (tasks,) each; a count, 0-d."""
    return {name: torch.zeros(tasks) for name in ("s", "mean", "square")} | {"count": torch.zeros(())}


def weigh(
    losses: Tensor, state: dict[str, Tensor], hparams: TensorHparams, info: StepInfo
) -> tuple[Tensor, dict[str, Tensor]]:
    """exp(−s), and s one step on."""
    weights = torch.exp(-state["s"])
    slope = 1 - weights * losses
    count = state["count"] + 1
    mean = _BETA1 * state["mean"] + (1 - _BETA1) * slope
    square = _BETA2 * state["square"] + (1 - _BETA2) * slope.square()
    root = (square / (1 - _BETA2**count)).sqrt() + _EPS
    s = state["s"] - hparams["rate"] * mean / (1 - _BETA1**count) / root
    return weights, {"s": s, "mean": mean, "square": square, "count": count}


spec = metaopt.WeightingSpec(
    name="uncertainty",
    version="1",
    summary="Weights by each task's learned noise, about one over its loss (Kendall et al.).",
    weigh=weigh,
    init=init,
    space={"rate": metaopt.Float(1e-3, 1e-1, log=True, default=1e-2, valid="[0, inf)")},
    references=("https://arxiv.org/abs/1705.07115",),
)
