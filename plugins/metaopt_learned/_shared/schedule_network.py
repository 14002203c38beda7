"""The recurrent network of learned schedules: what it sees of a training, and what it says about the next step.

For each kind of tensor (of at most one dimension, matrices, those of more) and with weights shared by the kinds:

    h_t, c_t = LSTM₆(x_t),        (rate, momentum) = W·h_t + b,        stop = σ(w·x_t + a)

x_t are 14 numbers of ordinary size that know no scale: the fraction of the horizon; the logarithm of steps taken; how
far the loss has come, where it is heading and how noisy it is; the kind's gradient norm against its own mean and its
first; the cosine between the gradient and the last update, now and on average; the last update's size against the
parameters'; and the kind. The recurrent states are shaped by what makes a good rate and say little about when to stop,
which is why the stop signal looks at x_t itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

import metaopt
from metaopt import Params, Tensors, TensorState, Theta
from metaopt_learned._shared.recurrent import lstm_cell, uniform

#: Kinds of tensors, by number of dimensions: at most one, two, more.
KINDS = 3
#: Outputs for each kind: logarithms of the multipliers of the rate and of 1 − momentum, before bounds.
OUTPUTS = 2
#: Number of inputs of a kind's cell.
INPUTS = 11 + KINDS
#: Initial bias of the stop logit: it almost never says stop.
UNSTOPPED = -6.0
#: Decays of the short and of the long running means.
FAST, SLOW = 0.9, 0.99
TINY = 1e-12


@dataclass(frozen=True)
class StepSummary:
    """Measurements of one training step, from which the network's inputs are made.

    Attributes:
        loss: training loss, 0-d.
        fraction: fraction of the horizon that is done, 0-d.
        gradient: norms of the gradients by kind, shape (KINDS,); 0 for a kind without a gradient.
        agreement: cosines between gradient and last update, shape (KINDS,).
        moved: norms of the last update, shape (KINDS,).
        size: norms of the parameters, shape (KINDS,).
    """

    loss: Tensor
    fraction: Tensor
    gradient: Tensor
    agreement: Tensor
    moved: Tensor
    size: Tensor


def kind_of(tensor: Tensor) -> int:
    """The kind of a tensor, an index below KINDS."""
    return min(max(tensor.ndim, 1), KINDS) - 1


def fresh(hidden: int, like: Tensor) -> TensorState:
    """State before the first step: `hidden` and `cell`, shape (KINDS, hidden); running means of loss and gradients."""

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.float32, device=like.device)

    return {
        "count": zeros(),
        "losses": zeros(4),
        "norms": zeros(2, KINDS),
        "agreement": zeros(KINDS),
        "hidden": zeros(KINDS, hidden),
        "cell": zeros(KINDS, hidden),
    }


def features(state: TensorState, summary: StepSummary) -> tuple[Tensor, TensorState]:
    """The cells' inputs, shape (KINDS, INPUTS), each within ±3, and the running means with one step more."""
    count = state["count"]
    begins = count == 0
    losses = _with_loss(state["losses"], summary.loss, begins)
    first, fast, slow, spread = losses
    norm = torch.where(summary.gradient.isfinite(), summary.gradient.clamp_min(TINY).log(), state["norms"][1])
    norms = torch.stack(
        [torch.where(begins, norm, state["norms"][0]), torch.where(begins, norm, state["norms"][1].lerp(norm, 0.1))]
    )
    turn = summary.agreement.nan_to_num(0.0)
    agreement = state["agreement"].lerp(turn, 1 - FAST)
    come = fast / torch.where(first.abs() > TINY, first, TINY)
    shared = torch.stack(
        [
            2 * summary.fraction - 1,
            torch.log1p(count) / 3 - 1,
            torch.where(come > 0, come.clamp(1e-4, 1e4).log(), torch.zeros_like(come)),
            (fast - slow) / (spread + TINY),
            (spread / (slow.abs() + TINY)).clamp(1e-4, 1e4).log() / 2 + 1,
        ]
    )
    own = torch.stack(
        [
            norm - norms[1],
            (norm - norms[0]) / 2,
            3 * turn,
            3 * agreement,
            (summary.moved.clamp_min(TINY) / summary.size.clamp_min(TINY)).clamp(1e-8, 1e4).log() / 2 + 3,
            torch.where(summary.size > 0, 1.0, 0.0),
        ],
        dim=1,
    )
    inputs = torch.cat([shared.expand(KINDS, -1), own, torch.eye(KINDS, device=own.device)], dim=1)
    new = {"count": count + 1, "losses": losses, "norms": norms, "agreement": agreement}
    return inputs.nan_to_num(0.0, 3.0, -3.0).clamp(-3.0, 3.0), new


def respond(theta: Theta, inputs: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cells' outputs, shape (…, KINDS, OUTPUTS), and their new hidden and cell states."""
    hidden, cell = lstm_cell(inputs, hidden, cell, theta, "cell")
    return hidden @ theta["output.weight"] + theta["output.bias"], hidden, cell


def enough(theta: Theta, inputs: Tensor) -> Tensor:
    """The stop signal, from 0 to 1, of each kind, shape (KINDS,)."""
    return torch.sigmoid(inputs @ theta["stop.weight"] + theta["stop.bias"])


def init_theta(params: Params, generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """Cells with weights in U(−1/√hidden, 1/√hidden), forget bias 1; outputs change nothing and never say stop."""
    hidden = int(hparams["hidden_size"])
    bound = hidden**-0.5
    return {
        "cell.input": uniform((INPUTS, 4 * hidden), -bound, bound, generator),
        "cell.hidden": uniform((hidden, 4 * hidden), -bound, bound, generator),
        "cell.bias": torch.tensor([0.0, 1.0, 0.0, 0.0]).repeat_interleave(hidden),
        "output.weight": torch.zeros(hidden, OUTPUTS),
        "output.bias": torch.zeros(OUTPUTS),
        "stop.weight": torch.zeros(INPUTS),
        "stop.bias": torch.tensor(UNSTOPPED),
    }


def shapes(theta: Theta) -> dict[str, tuple[int, ...]]:
    """Shapes of a network with as many hidden units as theta's own."""
    hidden_state = theta.get("cell.hidden")
    hidden = max(1, 0 if hidden_state is None else hidden_state.shape[0])
    weights = init_theta({}, torch.Generator(), {"hidden_size": hidden})
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def _with_loss(losses: Tensor, loss: Tensor, begins: Tensor) -> Tensor:
    """First loss, short and long mean, mean distance from the long one; a loss that is not finite changes nothing."""
    first, fast, slow, spread = losses
    known = loss.isfinite()
    new = torch.where(known, loss, fast)
    first = torch.where(begins, new, first)
    fast = torch.where(begins, new, fast * FAST + new * (1 - FAST))
    distance = (new - slow).abs()
    spread = torch.where(begins, 0.0 * new, spread * FAST + distance * (1 - FAST))
    slow = torch.where(begins, new, slow * SLOW + new * (1 - SLOW))
    return torch.stack([first, fast, slow, spread])
