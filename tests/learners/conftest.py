"""Few-shot tasks on scikit-learn's digits, 8×8, that a learner meta-trains on within a second."""

from functools import cache

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.plugin import current_registry

SPLIT = ([0, 1, 2, 3], [4, 5, 6], [7, 8, 9])


@cache
def digits():
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8), labels


def digit_episodes(**settings):
    images, labels = digits()
    settings = {"n_way": 2, "k_shot": 1, "queries": 5, "evaluated_queries": 5, **settings}
    return metaopt.ClassEpisodes.from_arrays(images, labels, SPLIT, **settings)


def small_net(ways=2):
    """Two blocks with batch norm, 8 maps of 2×2, and a head."""
    blocks = []
    for channels in (1, 8):
        blocks += [nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(32, ways))


def mlp(ways=2):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, ways))


def digit_task(model=small_net, episodes=None, **changes):
    settings = {"num_iterations": 4, "num_evaluated": 8, "num_validations": 1, "episodes_per_iteration": 1, **changes}
    return metaopt.FewShotTask(
        name="digits",
        family="digits",
        model=model,
        episodes=digit_episodes() if episodes is None else episodes,
        loss=F.cross_entropy,
        metric=metaopt.accuracy,
        mode="max",
        **settings,
    )


def learner(name, **hparams):
    """An assembly of a learner with hyperparameters."""
    stated = {f"{name}.{key}": value for key, value in hparams.items()}
    return assemble(Configuration(learner=name, hparams=stated), current_registry())


def support_and_queries(ways=2, shots=1, seed=0, episodes=None):
    """Support inputs and targets, query inputs and targets, of one test episode."""
    source = digit_episodes(n_way=ways, k_shot=shots) if episodes is None else episodes
    episode = source.sample("test", 1, torch.Generator().manual_seed(seed))
    return [tensor[0] for tensor in episode.tensors]
