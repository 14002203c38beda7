"""One study of tiny tasks for all tests of the report."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt


def _task(index, **fields):
    """Linear regression with slopes of its own."""
    generator = torch.Generator().manual_seed(index)
    slope = torch.randn(3, 1, generator=generator)
    parts = []
    for count in (64, 32, 32):
        inputs = torch.randn(count, 3, generator=generator)
        parts.append(metaopt.Split(inputs, inputs @ slope + 0.1 * torch.randn(count, 1, generator=generator)))
    return metaopt.Task(
        name=f"line_{index}",
        family="lines",
        model=partial(nn.Linear, 3, 1),
        data=metaopt.Splits(*parts),
        loss=F.mse_loss,
        batch_size=16,
        num_steps=20,
        num_validations=4,
    )


def _train(recipe, seed):
    yield from ((step, 1.0 / step) for step in (1, 2, 3))


@pytest.fixture(scope="session")
def result():
    """Twelve candidates, six tasks, two folds: two rungs, intervals, and enough candidates for importances."""
    return metaopt.tune(
        [_task(index) for index in range(6)],
        n_trials=12,
        optimizers=["adamw", "sgd"],
        controllers=["constant", "cosine"],
        folds=2,
    )


@pytest.fixture(scope="session")
def tuning_only():
    """Two tasks, nothing held out: too little for intervals."""
    return metaopt.tune([_task(index) for index in range(2)], n_trials=2, optimizers=["adamw"], wrappers=[])


@pytest.fixture(scope="session")
def black_box():
    """A task that nobody can look into."""
    task = metaopt.BlackBoxTask("job", "jobs", _train, num_steps=3)
    return metaopt.tune([task], n_trials=2, optimizers=["adamw"], wrappers=[])
