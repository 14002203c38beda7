"""Learning to learn by gradient descent by gradient descent: an LSTM that says the update (Andrychowicz et al. 2016).

For each coordinate by itself, with weights shared by all coordinates:

    h_t = LSTM₂(LSTM₁(p(gradient))),   Δ_t = scale · (w · h_t + b)           p: see `log_and_sign`

Two layers of 20, scale 0.1. Meta-trained on the losses along the whole trajectory, 20 steps at a time; gradients are
taken for constants. It learns no start: it trains any model from wherever that is.

When to use it: to study learned optimizers on small models and about a hundred steps, at which it was meta-trained. For
ordinary trainings take `mlp_lopt` or a tuned rule.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt import Params, StepInfo, TensorHparams, Tensors, TensorState, Theta
from metaopt_learned._shared.recurrent import log_and_sign, lstm_cell, uniform


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    hidden = theta["first.hidden"].shape[0]
    zeros = torch.zeros((*param.shape, hidden), device=param.device)
    return {"h1": zeros, "c1": zeros.clone(), "h2": zeros.clone(), "c2": zeros.clone()}


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    h1, c1 = lstm_cell(log_and_sign(grad.float()), state["h1"], state["c1"], theta, "first")
    h2, c2 = lstm_cell(h1, state["h2"], state["c2"], theta, "second")
    update = hparams["scale"] * (h2 @ theta["output.weight"] + theta["output.bias"])
    return update, {"h1": h1, "c1": c1, "h2": h2, "c2": c2}


#: State, for each parameter: `h1`, `c1`, `h2`, `c2` of shape (*shape, hidden).
rule = metaopt.per_tensor(_init, _update, granularity="tensor")


def init_theta(params: Params, generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """Weights in U(−1/√hidden, 1/√hidden), biases 0."""
    hidden = int(hparams["hidden_size"])
    bound = hidden**-0.5

    def weights(*shape: int) -> Tensor:
        return uniform(shape, -bound, bound, generator)

    return {
        "first.input": weights(2, 4 * hidden),
        "first.hidden": weights(hidden, 4 * hidden),
        "first.bias": torch.zeros(4 * hidden),
        "second.input": weights(hidden, 4 * hidden),
        "second.hidden": weights(hidden, 4 * hidden),
        "second.bias": torch.zeros(4 * hidden),
        "output.weight": weights(hidden),
        "output.bias": torch.zeros(()),
    }


spec = metaopt.OptimizerSpec(
    name="l2l_lstm",
    version="1",
    summary="A two-layer LSTM that says each coordinate's update.",
    rule=rule,
    space={"scale": metaopt.Float(1e-3, 1.0, log=True, default=0.1, valid="(0, inf)")},
    meta=metaopt.MetaTraining(
        init_theta=init_theta,
        objective="trajectory",
        orders=("first",),
        space={"hidden_size": metaopt.Int(4, 40, log=True, default=20, valid="[1, inf)")},
        truncation=20,
    ),
    references=("https://arxiv.org/abs/1606.04474",),
)
