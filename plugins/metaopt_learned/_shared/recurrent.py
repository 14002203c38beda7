"""Recurrent cells, inputs and first weights of learned rules, as plain arithmetic that vmap and autograd take."""

import math

import torch
from torch import Tensor

from metaopt import Theta


def log_and_sign(x: Tensor, p: float = 10.0) -> Tensor:
    """Numbers of any magnitude as two of ordinary size (Andrychowicz et al. 2016, appendix A), shape (*x.shape, 2).

    (log|x| / p, sign x) where |x| ≥ e⁻ᵖ, else (−1, eᵖ·x).
    """
    threshold = math.exp(-p)
    magnitude = x.abs()
    large = magnitude >= threshold
    # Small numbers are kept from the logarithm, whose derivative would be infinite at 0.
    first = torch.where(large, torch.where(large, magnitude, 1.0).log() / p, -1.0)
    second = torch.where(large, x.sign(), x * math.exp(p))
    return torch.stack([first, second], dim=-1)


def lstm_cell(x: Tensor, h: Tensor, c: Tensor, weights: Theta, name: str) -> tuple[Tensor, Tensor]:
    """One step of an LSTM over the last dimension.

        (i, f, o, g) = x·W_x + h·W_h + b,   c' = σ(f)∘c + σ(i)∘tanh(g),   h' = σ(o)∘tanh(c')

    Args:
        x: inputs, shape (…, inputs).
        h: hidden state, shape (…, hidden).
        c: cell state, shape (…, hidden).
        weights: `<name>.input` (inputs, 4·hidden), `<name>.hidden` (hidden, 4·hidden), `<name>.bias` (4·hidden,).
        name: name of the cell in `weights`.
    """
    gates = x @ weights[f"{name}.input"] + h @ weights[f"{name}.hidden"] + weights[f"{name}.bias"]
    i, f, o, g = gates.chunk(4, dim=-1)
    new_c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * new_c.tanh(), new_c


def truncated_normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Weights from a normal distribution of deviation 1/√(first size), cut off at two deviations."""
    weights = torch.empty(shape)
    torch.nn.init.trunc_normal_(weights, 0.0, 1.0, -2.0, 2.0, generator=generator)
    return weights.mul_(shape[0] ** -0.5)


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Weights from the uniform distribution between two numbers."""
    return low + (high - low) * torch.rand(shape, generator=generator)
