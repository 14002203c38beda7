"""Interleaved spirals in the plane, to be told apart."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits

FAMILY = "spirals"


def tasks() -> list[metaopt.Task]:
    """Two and three arms, two activations."""
    task = partial(metaopt.Task, family=FAMILY, loss=F.cross_entropy, num_steps=400, num_validations=20)
    two, three = partial(spiral_splits, 2, 1.25), partial(spiral_splits, 3, 0.75)
    return [
        task(name="two_spirals_relu", model=partial(mlp, (2, 24, 24, 2)), data=two, batch_size=64),
        task(name="two_spirals_tanh", model=partial(mlp, (2, 32, 32, 2), nn.Tanh), data=two, batch_size=32),
        task(name="three_spirals_silu", model=partial(mlp, (2, 24, 24, 3), nn.SiLU), data=three, batch_size=48),
    ]


def spiral_splits(num_arms: int, turns: float, noise: float = 0.15, seed: int = 0) -> metaopt.Splits:
    """Points along arms that wind out from the origin to radius 2; 600, 200, 400 points.

    Args:
        num_arms: classes.
        turns: how often each arm winds round.
        noise: standard deviation of each coordinate.
        seed: of everything random.
    """
    generator = torch.Generator().manual_seed(seed)
    arm = torch.arange(1200) % num_arms
    along = torch.rand(1200, generator=generator, dtype=torch.float64).sqrt()
    angle = 2 * math.pi * (turns * along + arm.float() / num_arms)
    points = 2 * along[:, None] * torch.stack([torch.cos(angle), torch.sin(angle)], dim=1)
    points = points + noise * torch.randn(1200, 2, generator=generator, dtype=torch.float64)
    return make_splits(points, arm, (200, 400), seed=seed)
