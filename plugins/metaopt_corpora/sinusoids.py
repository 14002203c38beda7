"""Waves to be fitted by perceptrons."""

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits

FAMILY = "sinusoids"


def tasks() -> list[metaopt.Task]:
    """One slow wave, a sum of two, a product over the plane."""
    task = partial(metaopt.Task, family=FAMILY, loss=F.mse_loss, num_validations=20)
    return [
        task(
            name="sinusoid_tanh",
            model=partial(mlp, (1, 32, 32, 1), nn.Tanh),
            data=partial(wave_splits, [(1.0, 1.5)]),
            batch_size=32,
            num_steps=300,
        ),
        task(
            name="sinusoid_sum_relu",
            model=partial(mlp, (1, 40, 40, 1)),
            data=partial(wave_splits, [(1.0, 1.0), (0.6, 4.0)]),
            batch_size=16,
            num_steps=400,
        ),
        task(
            name="sinusoid_plane_gelu",
            model=partial(mlp, (2, 32, 32, 1), nn.GELU),
            data=plane_splits,
            batch_size=64,
            num_steps=300,
        ),
    ]


def wave_splits(waves: Sequence[tuple[float, float]], noise: float = 0.05, seed: int = 0) -> metaopt.Splits:
    """`y = Σ amplitude · sin(frequency · x)` over [-π, π] with noise; 400, 150, 250 points.

    Args:
        waves: amplitudes and frequencies.
        noise: standard deviation.
        seed: of everything random.
    """
    generator = torch.Generator().manual_seed(seed)
    x = math.pi * (2 * torch.rand(800, 1, generator=generator, dtype=torch.float64) - 1)
    y = torch.stack([amplitude * torch.sin(frequency * x) for amplitude, frequency in waves]).sum(dim=0)
    y = y + noise * torch.randn(800, 1, generator=generator, dtype=torch.float64)
    return make_splits(x, y, (150, 250), seed=seed)


def plane_splits(noise: float = 0.05, seed: int = 0) -> metaopt.Splits:
    """`y = sin(2 x₁) · sin(2 x₂)` over [-2, 2]² with noise; 600, 200, 300 points."""
    generator = torch.Generator().manual_seed(seed)
    x = 4 * torch.rand(1100, 2, generator=generator, dtype=torch.float64) - 2
    y = torch.sin(2 * x).prod(dim=1, keepdim=True)
    y = y + noise * torch.randn(1100, 1, generator=generator, dtype=torch.float64)
    return make_splits(x, y, (200, 300), seed=seed)
