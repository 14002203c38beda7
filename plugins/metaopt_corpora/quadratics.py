"""Quadratic bowls with noisy gradients: least squares over sampled rows, with a given condition number."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt_corpora._shared.splits import make_splits

FAMILY = "quadratics"
NUM_INPUTS = 20


def tasks() -> list[metaopt.Task]:
    """From round to narrow."""
    return [
        _task("quadratic_10", condition=10, batch_size=32, num_steps=200),
        _task("quadratic_300", condition=300, batch_size=16, num_steps=300),
        _task("quadratic_10000", condition=10_000, batch_size=64, num_steps=400),
    ]


def quadratic_splits(condition: float, seed: int, noise: float = 0.1) -> metaopt.Splits:
    """Rows whose least-squares loss has eigenvalues from 1 to 1 / condition; 600, 150, 250 rows.

    Each eigenvector explains as much of the target as any other, so the narrow ones cannot be left out; no axis is an
    eigenvector.

    Args:
        condition: ratio of the largest to the smallest eigenvalue.
        seed: of everything random.
        noise: standard deviation of what cannot be explained, where the target has 1.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = partial(torch.randn, generator=generator, dtype=torch.float64)
    spread = torch.logspace(0, -1, NUM_INPUTS, base=float(condition) ** 0.5, dtype=torch.float64)
    rotation = _rotation(normal(NUM_INPUTS, NUM_INPUTS))
    hidden = normal(1000, NUM_INPUTS)
    targets = hidden.mean(dim=1, keepdim=True) * NUM_INPUTS**0.5 + noise * normal(1000, 1)
    return make_splits((hidden * spread) @ rotation, targets, (150, 250), seed=seed)


def _task(name: str, *, condition: float, batch_size: int, num_steps: int) -> metaopt.Task:
    return metaopt.Task(
        name=name,
        family=FAMILY,
        model=partial(nn.Linear, NUM_INPUTS, 1, bias=False),
        data=partial(quadratic_splits, condition, seed=int(condition)),
        loss=F.mse_loss,
        batch_size=batch_size,
        num_steps=num_steps,
        num_validations=20,
    )


def _rotation(matrix: torch.Tensor) -> torch.Tensor:
    """The orthogonal factor of a square matrix whose triangular one has a positive diagonal, which makes it unique."""
    orthogonal, triangular = torch.linalg.qr(matrix)
    unique: torch.Tensor = orthogonal * torch.sign(torch.diagonal(triangular))
    return unique
