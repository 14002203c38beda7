"""Short sequences read by a gated recurrent unit written with plain arithmetic, which vmap can follow."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from metaopt_corpora._shared.splits import make_splits

FAMILY = "sequences"


def tasks() -> list[metaopt.Task]:
    """Remember a sum, a parity, a frequency."""
    task = partial(metaopt.Task, family=FAMILY, num_validations=15)
    return [
        task(
            name="gru_adding",
            model=partial(GRU, 2, 12, 1),
            data=adding_splits,
            loss=F.mse_loss,
            batch_size=32,
            num_steps=300,
        ),
        task(
            name="gru_parity",
            model=partial(GRU, 1, 12, 2),
            data=parity_splits,
            loss=F.cross_entropy,
            batch_size=32,
            num_steps=300,
        ),
        task(
            name="gru_frequency",
            model=partial(GRU, 1, 10, 4),
            data=frequency_splits,
            loss=F.cross_entropy,
            batch_size=32,
            num_steps=250,
        ),
    ]


class GRU(nn.Module):
    """A gated recurrent unit and a linear layer on its last state (Cho et al., arXiv:1406.1078).

    `z, r = σ(W x + U h)`, `n = tanh(W x + r · U h)`, `h ← (1 - z) n + z h`. `torch.nn.GRU` computes the same but cannot
    be vmapped.

    Args:
        num_inputs: numbers a step.
        num_hidden: numbers in the state.
        num_outputs: numbers at the end.
    """

    def __init__(self, num_inputs: int, num_hidden: int, num_outputs: int) -> None:
        super().__init__()
        self.num_hidden = num_hidden
        self.from_input = nn.Linear(num_inputs, 3 * num_hidden)
        self.from_state = nn.Linear(num_hidden, 3 * num_hidden)
        self.output = nn.Linear(num_hidden, num_outputs)

    def forward(self, sequences: Tensor) -> Tensor:
        """Shape (n, steps, num_inputs) to (n, num_outputs)."""
        state = sequences.new_zeros(len(sequences), self.num_hidden)
        for given in self.from_input(sequences).unbind(dim=1):
            state = self._step(given, state)
        output: Tensor = self.output(state)
        return output

    def _step(self, given: Tensor, state: Tensor) -> Tensor:
        kept = self.from_state(state)
        gates = torch.sigmoid(given[:, : 2 * self.num_hidden] + kept[:, : 2 * self.num_hidden])
        update, reset = gates.chunk(2, dim=1)
        new = torch.tanh(given[:, 2 * self.num_hidden :] + reset * kept[:, 2 * self.num_hidden :])
        return new + update * (state - new)


def adding_splits(num_steps: int = 8, seed: int = 0) -> metaopt.Splits:
    """Numbers in [-1, 1] of which two are marked; the target is their noisy sum (Hochreiter & Schmidhuber, 1997)."""
    generator = torch.Generator().manual_seed(seed)
    values = 2 * torch.rand(1000, num_steps, generator=generator, dtype=torch.float64) - 1
    marked = torch.rand(1000, num_steps, generator=generator, dtype=torch.float32).argsort(dim=1) < 2
    targets = (values * marked).sum(dim=1, keepdim=True)
    targets = targets + 0.1 * torch.randn(1000, 1, generator=generator, dtype=torch.float64)
    return make_splits(torch.stack([values, marked.double()], dim=2), targets, (150, 250), seed=seed)


def parity_splits(num_steps: int = 4, seed: int = 0) -> metaopt.Splits:
    """Noisy signs; whether an even number of them is negative."""
    generator = torch.Generator().manual_seed(seed)
    negative = torch.randint(2, (1000, num_steps), generator=generator)
    signs = 1.0 - 2.0 * negative.double()
    signs = signs + 0.4 * torch.randn(1000, num_steps, generator=generator, dtype=torch.float64)
    return make_splits(signs[:, :, None], negative.sum(dim=1) % 2, (150, 250), seed=seed)


def frequency_splits(num_steps: int = 10, seed: int = 0) -> metaopt.Splits:
    """Waves of random phase in noise; which of four frequencies they have."""
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.arange(1000) % 4
    phase = 2 * math.pi * torch.rand(1000, 1, generator=generator, dtype=torch.float64)
    time = torch.arange(num_steps, dtype=torch.float64)
    waves = torch.sin((0.4 + 0.35 * frequency.double()[:, None]) * time + phase)
    waves = waves + 0.4 * torch.randn(1000, num_steps, generator=generator, dtype=torch.float64)
    return make_splits(waves[:, :, None], frequency, (150, 250), seed=seed)
