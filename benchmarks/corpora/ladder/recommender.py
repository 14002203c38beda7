"""Ratings of things by people, drawn from a formula: embeddings of both, their product and a perceptron."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from benchmarks.corpora.ladder.family import Family
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits

#: Ratings, numbers that decide a taste, and the deviation of what nothing explains.
RATINGS, TASTES, NOISE = 24_000, 4, 0.3


def families() -> list[Family]:
    """By how many people and things there are, and by width."""
    return [
        Family(
            "recommender",
            Recommender,
            rating_splits,
            {"width": 16, "vocabulary": 256, "batch": 64, "horizon": 500},
            {"width": (4,), "vocabulary": (16,), "horizon": (6,)},
            loss=F.mse_loss,
        )
    ]


class Recommender(nn.Module):
    """`p·q / √width` and a perceptron over both (He et al., arXiv:1708.05031).

    Numbers of a person and a thing, shape (n, 2), to a rating, shape (n, 1).
    """

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.people = nn.Embedding(vocabulary, width)
        self.things = nn.Embedding(vocabulary, width)
        self.layers = mlp((2 * width, 2 * width, 1))

    def forward(self, pairs: Tensor) -> Tensor:
        people, things = self.people(pairs[:, 0]), self.things(pairs[:, 1])
        product = (people * things).sum(1, keepdim=True) / people.shape[1] ** 0.5
        output: Tensor = product + self.layers(torch.cat([people, things], dim=1))
        return output


def rating_splits(vocabulary: int, seed: int = 0) -> metaopt.Splits:
    """`(a + b) / 2 + p·q / 2 + noise`: normal a and p of a person, b and q of a thing, of whom some come more often.

    Args:
        vocabulary: people, and things.
        seed: of everything random.
    """
    generator = torch.Generator().manual_seed(seed)
    normal = partial(torch.randn, generator=generator, dtype=torch.float64)
    people, things = normal(vocabulary, 1 + TASTES), normal(vocabulary, 1 + TASTES)
    often = torch.rand(RATINGS, 2, generator=generator, dtype=torch.float64).square()
    pairs = (vocabulary * often).long()
    of_people, of_things = people[pairs[:, 0]], things[pairs[:, 1]]
    tastes = (of_people[:, 1:] * of_things[:, 1:]).sum(1) / TASTES**0.5
    ratings = (of_people[:, 0] + of_things[:, 0]) / 2 + tastes + NOISE * normal(RATINGS)
    return make_splits(pairs, ratings[:, None], (1_000, 2_000), seed=seed, scale=False)
