"""Waves of random amplitude, frequency and phase to be fitted from a few points (Finn et al. 2017; Li et al. 2017).

When to use it: to try few-shot rules in a minute, and to compare with published numbers.
"""

import math
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F

import metaopt
from metaopt_corpora._shared.networks import mlp

FAMILY = "sinusoid_episodes"


@dataclass(frozen=True)
class SinusoidEpisodes:
    """`y = A · sin(ω · x + φ)`, A ∈ [0.1, 5], ω ∈ [0.8, 1.2], φ ∈ [0, π], x ∈ [−5, 5], all uniform.

    Attributes:
        shots: points of a support set.
        queries: points of a query set when meta-training; validations and tests have 100.
    """

    shots: int
    queries: int = 10

    @property
    def fingerprint(self) -> str:
        """What decides the episodes."""
        return f"sinusoids-1-{self.shots}-{self.queries}"

    def sample(self, partition: metaopt.Partition, count: int, generator: torch.Generator) -> metaopt.Episodes:
        """See `metaopt.EpisodeSource`."""
        queries = self.queries if partition == "train" else 100
        points = 10 * torch.rand(count, self.shots + queries, 1, generator=generator, dtype=torch.float32) - 5
        draws = torch.rand(count, 3, 1, 1, generator=generator, dtype=torch.float32)
        amplitude, frequency, phase = 0.1 + 4.9 * draws[:, 0], 0.8 + 0.4 * draws[:, 1], math.pi * draws[:, 2]
        values = amplitude * torch.sin(frequency * points + phase)
        cut = [self.shots, queries]
        (support_x, query_x), (support_y, query_y) = points.split(cut, dim=1), values.split(cut, dim=1)
        return metaopt.Episodes(support_x, support_y, query_x, query_y)


def sinusoid_task(shots: int, num_steps: int = 1) -> metaopt.FewShotTask:
    """The regression of the papers: MLP 1-40-40-1, 60,000 iterations of 4 waves."""
    return metaopt.FewShotTask(
        name=f"sinusoids_{shots}_shot",
        family=FAMILY,
        model=partial(mlp, (1, 40, 40, 1)),
        episodes=SinusoidEpisodes(shots),
        loss=F.mse_loss,
        num_steps=num_steps,
        num_iterations=60_000,
        episodes_per_iteration=4,
        num_evaluated=1000,
    )


def load_sinusoids() -> metaopt.Corpus:
    """Waves from 5 and from 10 points."""
    return metaopt.Corpus("sinusoids", (sinusoid_task(5), sinusoid_task(10)))
