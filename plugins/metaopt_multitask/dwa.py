"""Weights by the rate of descent (dynamic weight averaging, Liu et al. 2019, equation 7).

    r_k = L_k(t − 1) / L_k(t − 2)        w_k = tasks · exp(r_k / T) / Σ_i exp(r_i / T)

L_k(t) is a task's mean loss over period t; the paper's periods are epochs, here they are a share of the planned steps,
or of 500 where there is no plan. A task whose loss falls more slowly than the others' counts more. Weights are 1 in the
first two periods.

When to use it: where some tasks learn faster than others and losses are of one unit; a high temperature T makes
weights equal.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams

#: Planned steps where nobody says.
_STEPS = 500.0


def init(tasks: int, hparams: TensorHparams) -> dict[str, Tensor]:
    """Sums over this period and means of the last two, shape (tasks,) each; steps of this period and periods, 0-d."""
    state = {name: torch.zeros(tasks) for name in ("sum", "last", "before")}
    return state | {name: torch.zeros(()) for name in ("steps", "periods")}


def weigh(
    losses: Tensor, state: dict[str, Tensor], hparams: TensorHparams, info: StepInfo
) -> tuple[Tensor, dict[str, Tensor]]:
    """The w_k of the periods before this one."""
    ratio = state["last"] / state["before"].clamp(min=1e-30)
    shares = torch.softmax(ratio / hparams["temperature"], 0) * len(losses)
    weights = torch.where(state["periods"] < 2, torch.ones_like(losses), shares)
    steps, total = state["steps"] + 1, state["sum"] + losses
    horizon = torch.full_like(steps, _STEPS) if info.horizon is None else info.horizon.to(steps.dtype)
    is_over = steps >= (hparams["period"] * horizon).clamp(min=1)
    return weights, {
        "sum": torch.where(is_over, 0.0, total),
        "last": torch.where(is_over, total / steps, state["last"]),
        "before": torch.where(is_over, state["last"], state["before"]),
        "steps": torch.where(is_over, 0.0, steps),
        "periods": state["periods"] + is_over.to(steps.dtype),
    }


spec = metaopt.WeightingSpec(
    name="dwa",
    version="1",
    summary="More weight for tasks whose loss falls slowly (dynamic weight averaging).",
    weigh=weigh,
    init=init,
    space={
        "temperature": metaopt.Float(0.5, 5.0, log=True, default=2.0, valid="(0, inf)"),
        "period": metaopt.Float(0.01, 0.1, log=True, default=0.03, valid="(0, 1]"),
    },
    references=("https://arxiv.org/abs/1803.10704",),
)
