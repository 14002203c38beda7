"""The learned scheduler of Celo: an LSTM that turns progress and losses into a step size (Moudgil et al. 2025).

    h_t, c_t = LSTM₆₄(W₂x_t + b₂ + max over tensors of ReLU(W₁x_t + b₁)),        rate_t = 0.1 · exp(w · h_t + b)

x_t has 18 numbers: tanh(10·(fraction trained − q)) for nine q, and where the loss's running means of ten half-lives,
from 10 steps to the whole horizon, lie between their lowest and the next longer one. The authors' code runs the LSTM
for every tensor; inputs and first states are the same for all of them, so that one row stands for all, and for their
maximum. Its first mixing layer has no effect on the result and is left out.
"""

import torch
from torch import Tensor

from metaopt import StepInfo, Tensors, TensorState, Theta
from metaopt_learned._shared.recurrent import lstm_cell, truncated_normal

#: Rules that it schedules clip gradients to ± this.
CLIP = 1000.0
#: Fractions of the horizon around which the progress features are finest.
FRACTIONS = (0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1)
#: Number of running means of the loss.
MEANS = 10
#: Number of inputs of the scheduler.
INPUTS = len(FRACTIONS) + MEANS - 1
#: Initial value of the running minima.
HIGH = 999999999999.0


def init(theta: Theta, horizon: Tensor | None) -> TensorState:
    """State before the first step."""
    hidden, cell = theta["scheduler.hidden"], theta["scheduler.cell"]
    return {
        "step": torch.zeros((), device=hidden.device),
        "means": torch.zeros(MEANS, device=hidden.device),
        "lowest": torch.full((MEANS,), HIGH, device=hidden.device),
        "hidden": hidden.clone(),
        "cell": cell.clone(),
    }


def update(state: TensorState, theta: Theta, info: StepInfo) -> tuple[Tensors, TensorState]:
    """The rate of this step, 0-d, as `celo_rate`, and the state after it."""
    assert info.loss is not None  # declared as required
    assert info.horizon is not None
    step = state["step"]
    decays = _decays(info.horizon.to(step.device))
    means, lowest = _with_loss(state, info.loss.to(step.device), decays)
    centred = _features(means, lowest, step + 1, decays)
    progress = torch.tanh(10 * (step / info.horizon.to(step.device) - torch.tensor(FRACTIONS, device=step.device)))
    inputs = torch.cat([progress, centred])
    mixed = torch.relu(inputs @ theta["scheduler.mix.weight"] + theta["scheduler.mix.bias"])
    inputs = inputs @ theta["scheduler.input.weight"] + theta["scheduler.input.bias"] + mixed
    hidden, cell = lstm_cell(inputs, state["hidden"], state["cell"], theta, "scheduler.lstm")
    rate = 0.1 * torch.exp(hidden @ theta["scheduler.rate.weight"] + theta["scheduler.rate.bias"])
    new = {"step": step + 1, "means": means, "lowest": lowest, "hidden": hidden, "cell": cell}
    return {"celo_rate": rate}, new


def init_theta(hidden: int, generator: torch.Generator) -> Tensors:
    """Weights from a normal distribution of deviation 1/√inputs cut off at two deviations.

    Biases and states are 0, but for the forget gate's bias, which is 1.
    """

    def weights(*shape: int) -> Tensor:
        return truncated_normal(shape, generator)

    lstm = weights(2 * hidden, 4 * hidden)
    return {
        "scheduler.hidden": torch.zeros(hidden),
        "scheduler.cell": torch.zeros(hidden),
        "scheduler.mix.weight": weights(INPUTS, hidden),
        "scheduler.mix.bias": torch.zeros(hidden),
        "scheduler.input.weight": weights(INPUTS, hidden),
        "scheduler.input.bias": torch.zeros(hidden),
        "scheduler.lstm.input": lstm[:hidden],
        "scheduler.lstm.hidden": lstm[hidden:],
        "scheduler.lstm.bias": torch.tensor([0.0, 1.0, 0.0, 0.0]).repeat_interleave(hidden),
        "scheduler.rate.weight": weights(hidden),
        "scheduler.rate.bias": torch.zeros(()),
    }


def shapes(theta: Theta) -> dict[str, tuple[int, ...]]:
    """Shapes of the scheduler's weights, with as many hidden units as theta's own."""
    state = theta.get("scheduler.hidden")
    hidden = 0 if state is None else int(state.numel())
    return {name: tuple(tensor.shape) for name, tensor in init_theta(max(hidden, 1), torch.Generator()).items()}


def _decays(horizon: Tensor) -> Tensor:
    """Decays whose half-lives go from 10 steps to the horizon in even ratios."""
    place = torch.linspace(0.0, 1.0, MEANS, device=horizon.device)
    return torch.exp(-1.0 / torch.full_like(place, 10.0).pow(1 + place * (horizon.log10() - 1)))


def _with_loss(state: TensorState, loss: Tensor, decays: Tensor) -> tuple[Tensor, Tensor]:
    """Running means and their minima after one more loss, which is capped at twice the largest mean."""
    share = 1 - decays ** (state["step"] + 1)
    most = torch.where(state["step"] == 0, loss, (state["means"] / share).max())
    loss = torch.minimum(2 * most.abs(), loss)
    means = state["means"] * decays + loss * (1 - decays)
    return means, torch.minimum(state["lowest"], means / share)


def _features(means: Tensor, lowest: Tensor, count: Tensor, decays: Tensor) -> Tensor:
    """(mean − lowest) / (next longer mean − lowest) − 1 within ±1; 0 for the first two losses."""
    unbiased = means / (1 - decays**count)
    room = (unbiased[1:] - lowest[:-1]).clamp_min(1e-8)
    ratios = ((unbiased[:-1] - lowest[:-1]) / room - 1).clamp(-1, 1)
    return torch.where(count <= 2, torch.zeros_like(ratios), ratios)
