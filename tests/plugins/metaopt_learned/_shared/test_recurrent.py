"""Cells against torch's own; inputs of learned rules against their formula."""

import math

import torch
from torch import nn

from metaopt_learned._shared.recurrent import log_and_sign, lstm_cell


def as_torch(weight):
    """Torch orders the gates (i, f, g, o), here they are (i, f, o, g)."""
    i, f, o, g = weight.chunk(4, dim=-1)
    ordered = torch.cat([i, f, g, o], dim=-1)
    return ordered.T if ordered.ndim == 2 else ordered


def test_a_cell_is_torchs():
    generator = torch.Generator().manual_seed(0)
    weights = {
        "cell.input": torch.randn(3, 20, generator=generator),
        "cell.hidden": torch.randn(5, 20, generator=generator),
        "cell.bias": torch.randn(20, generator=generator),
    }
    reference = nn.LSTMCell(3, 5)
    with torch.no_grad():
        reference.weight_ih.copy_(as_torch(weights["cell.input"]))
        reference.weight_hh.copy_(as_torch(weights["cell.hidden"]))
        reference.bias_ih.copy_(as_torch(weights["cell.bias"]))
        reference.bias_hh.zero_()
    x, h, c = (torch.randn(7, size, generator=generator) for size in (3, 5, 5))
    for found, expected in zip(lstm_cell(x, h, c, weights, "cell"), reference(x, (h, c)), strict=True):
        torch.testing.assert_close(found, expected)


def test_inputs_are_the_logarithm_and_the_sign_of_large_numbers_and_small_ones_enlarged():
    x = torch.tensor([2.0, -0.5, 1e-6, -1e-6, 0.0])
    expected = [
        [math.log(2.0) / 10, 1.0],
        [math.log(0.5) / 10, -1.0],
        [-1.0, 1e-6 * math.exp(10)],
        [-1.0, -1e-6 * math.exp(10)],
        [-1.0, 0.0],
    ]
    torch.testing.assert_close(log_and_sign(x), torch.tensor(expected))


def test_their_derivative_is_finite_at_zero():
    x = torch.zeros(3, requires_grad=True)
    log_and_sign(x).sum().backward()
    assert bool(x.grad.isfinite().all())
