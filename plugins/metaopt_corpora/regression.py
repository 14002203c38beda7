"""Regression: scikit-learn's diabetes table, and Friedman's function of ten inputs."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits

FAMILY = "regression"


def tasks() -> list[metaopt.Task]:
    """A linear model and perceptrons of two activations."""
    task = partial(metaopt.Task, family=FAMILY, loss=F.mse_loss, num_validations=15)
    return [
        task(
            name="diabetes_linear",
            model=partial(nn.Linear, 10, 1),
            data=diabetes_splits,
            batch_size=32,
            num_steps=150,
        ),
        task(
            name="diabetes_mlp",
            model=partial(mlp, (10, 24, 24, 1)),
            data=diabetes_splits,
            batch_size=16,
            num_steps=200,
        ),
        task(
            name="friedman_gelu",
            model=partial(mlp, (10, 32, 32, 1), nn.GELU),
            data=friedman_splits,
            batch_size=32,
            num_steps=300,
        ),
    ]


def diabetes_splits() -> metaopt.Splits:
    """242 training, 80 validation, 120 test patients; inputs and target scaled."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    targets = torch.from_numpy(data.target).double()[:, None]
    return make_splits(torch.from_numpy(data.data).double(), targets, (80, 120), scale=True)


def friedman_splits(seed: int = 0) -> metaopt.Splits:
    """Friedman #1 (Annals of Statistics 19, 1991) with noise of standard deviation 1; 500, 200, 300 rows.

    `y = 10 sin(π x₁x₂) + 20 (x₃ - ½)² + 10 x₄ + 5 x₅`; the other five inputs do nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(1000, 10, generator=generator, dtype=torch.float64)
    y = 10 * torch.sin(math.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = y + torch.randn(1000, generator=generator, dtype=torch.float64)
    return make_splits(x, y[:, None], (200, 300), scale=True)
