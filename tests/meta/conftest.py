"""Small few-shot tasks that learn something within a second."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.contracts import Episodes
from metaopt.plugin.registry import current_registry
from metaopt_corpora.sinusoid_episodes import sinusoid_task


def learned(name, **hparams):
    """A learned rule with hyperparameters, ready to run."""
    return assemble(
        Configuration(name, hparams={f"{name}.{key}": value for key, value in hparams.items()}), current_registry()
    )


@pytest.fixture
def waves():
    """Waves from ten points, for few iterations."""
    return small_waves()


def small_waves(**changes):
    settings = {"num_iterations": 40, "num_evaluated": 40, "num_validations": 2, **changes}
    return dataclasses.replace(sinusoid_task(10), **settings)


class Blobs:
    """Five classes of points around centres that differ from episode to episode."""

    fingerprint = "blobs"

    def sample(self, partition, count, generator):
        centres = 3 * torch.randn(count, 5, 1, 4, generator=generator)
        points = centres + 0.5 * torch.randn(count, 5, 6, 4, generator=generator)
        targets = torch.arange(5).repeat_interleave(2).expand(count, -1).clone()
        queries = torch.arange(5).repeat_interleave(4).expand(count, -1).clone()
        return metaopt.Episodes(points[:, :, :2].flatten(1, 2), targets, points[:, :, 2:].flatten(1, 2), queries)


class SometimesBroken(Blobs):
    """Every fourth meta-batch holds a NaN."""

    fingerprint = "broken"

    def __init__(self, every):
        self.every, self.drawn = every, 0

    def sample(self, partition, count, generator):
        episodes = super().sample(partition, count, generator)
        if partition == "train":
            self.drawn += 1
            if self.drawn % self.every == 0:
                return Episodes(episodes.support_inputs * float("nan"), *episodes.tensors[1:])
        return episodes


def blob_task(model=None, **changes):
    settings = {"num_iterations": 40, "num_evaluated": 20, "num_validations": 2, "num_steps": 2, **changes}
    return metaopt.FewShotTask(
        name="blobs",
        family="blobs",
        model=model or (lambda: nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 5))),
        episodes=Blobs(),
        loss=F.cross_entropy,
        **settings,
    )
