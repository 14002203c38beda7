"""Meta-LSTM: a learned start, and gates that weigh parameters and gradients anew at each step (Ravi & Larochelle 2017).

For each coordinate by itself, with weights shared by all coordinates:

    h_t = LSTM(p(gradient), p(loss))                              p: see `log_and_sign`
    f_t = W_F [h_t; θ_{t−1}; f_{t−1}] + b_F,    i_t = W_I [h_t; θ_{t−1}; i_{t−1}] + b_I
    θ_t = σ(f_t) ∘ θ_{t−1} − σ(i_t) ∘ g_t

θ₀, the cell's first state, is learned too. Weights begin in U(−0.01, 0.01), b_F in U(4, 5), b_I in U(−5, −4): at first
it is gradient descent at a small rate. Gradients and losses are taken for constants in meta-training.

Where the authors' code (twitter/meta-learning-lstm) and the paper differ: the paper feeds back the gates σ(f), σ(i),
the code what comes before the σ; the code is followed. The code divides the mean gradient once more by the batch size;
the paper is followed, which does not.

When to use it: as `maml`, when the step itself shall be learned too, with gates that look at gradient and loss.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt import Hparams, Params, State, StepInfo, Tensors, TensorState, Theta
from metaopt_learned._shared.learned_start import FromLearnedStart, start_theta
from metaopt_learned._shared.recurrent import log_and_sign, lstm_cell, uniform


class GatedDescent(FromLearnedStart):
    """The rule of the Meta-LSTM.

    State, for each parameter: `h`, `c` of shape (*shape, hidden); `forget`, `input` (before σ) of its shape.
    """

    def init(self, params: Params, hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """Zeros."""
        hidden = theta["lstm.hidden"].shape[0]
        return {"tensors": {name: _zeros(param, hidden) for name, param in params.items()}, "shared": {}}

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """(σ(f) − 1) ∘ θ − σ(i) ∘ g."""
        assert info.loss is not None
        loss = log_and_sign(info.loss.float())
        updates, tensors = {}, dict(state["tensors"])
        for name, grad in grads.items():
            update, tensors[name] = _step(grad.float(), params[name].float(), tensors[name], loss, theta)
            updates[name] = update.to(params[name].dtype)
        return updates, {"tensors": tensors, "shared": state["shared"]}


def _step(grad: Tensor, param: Tensor, state: TensorState, loss: Tensor, theta: Theta) -> tuple[Tensor, Tensors]:
    inputs = torch.cat([loss.expand(*grad.shape, 2), log_and_sign(grad)], dim=-1)
    h, c = lstm_cell(inputs, state["h"], state["c"], theta, "lstm")
    forget = _gate(h, param, state["forget"], theta, "forget")
    input = _gate(h, param, state["input"], theta, "input")
    # σ(f) − 1 = −σ(−f), which keeps its digits where f is large.
    update = -(-forget).sigmoid() * param - input.sigmoid() * grad
    return update, {"h": h, "c": c, "forget": forget, "input": input}


def _gate(h: Tensor, param: Tensor, before: Tensor, theta: Theta, name: str) -> Tensor:
    weight = theta[f"{name}.weight"]
    hidden = h.shape[-1]
    return h @ weight[:hidden] + weight[hidden] * param + weight[hidden + 1] * before + theta[f"{name}.bias"]


def _zeros(param: Tensor, hidden: int) -> Tensors:
    wide = torch.zeros((*param.shape, hidden), device=param.device)
    narrow = torch.zeros(param.shape, device=param.device)
    return {"h": wide, "c": wide.clone(), "forget": narrow, "input": narrow.clone()}


def init_theta(params: Params, generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """The start where the model is, small weights, and gates that keep parameters and let little gradient in."""
    hidden = int(hparams["hidden_size"])
    weights = {
        "lstm.input": uniform((4, 4 * hidden), -0.01, 0.01, generator),
        "lstm.hidden": uniform((hidden, 4 * hidden), -0.01, 0.01, generator),
        "lstm.bias": uniform((4 * hidden,), -0.01, 0.01, generator),
        "forget.weight": uniform((hidden + 2,), -0.01, 0.01, generator),
        "forget.bias": uniform((), 4.0, 5.0, generator),
        "input.weight": uniform((hidden + 2,), -0.01, 0.01, generator),
        "input.bias": uniform((), -5.0, -4.0, generator),
    }
    return {**start_theta(params), **weights}


spec = metaopt.OptimizerSpec(
    name="meta_lstm",
    version="1",
    summary="A learned start, and recurrent gates that weigh parameters and gradients at each step.",
    rule=GatedDescent(),
    requires=frozenset({"loss"}),
    meta=metaopt.MetaTraining(
        init_theta=init_theta,
        orders=("first",),
        space={"hidden_size": metaopt.Int(4, 40, log=True, default=20, valid="[1, inf)")},
        clip=0.25,
        drawn={"forget gate": "forget", "input gate": "input"},
    ),
    references=("https://openreview.net/forum?id=rJY0-Kcll",),
)
