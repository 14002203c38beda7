"""One member after the other: BatchNorm and dropout work as in a user's loop, whoever else is there."""

import pytest
import torch
from torch import nn

from metaopt.inner.gradients.looped import LoopedGradients
from metaopt.inner.updates.layout import Layout


def noisy():
    return nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 10))


def source_of(task, seeds):
    modules = [task.build(seed) for seed in seeds]
    layout = Layout(modules[0])
    flats = layout.stack([dict(module.named_parameters()) for module in modules])
    return LoopedGradients(task, layout, modules, seeds, shared=True), flats, modules


@pytest.fixture
def digits(task):
    return task(noisy, dtype=torch.float32)


@pytest.fixture
def batch(digits):
    train = digits.splits.train
    return train.inputs[:16], train.targets[:16]


def test_a_member_draws_the_same_masks_whoever_else_is_there(digits, batch):
    together, flats, _ = source_of(digits, [0, 1])
    alone, own, _ = source_of(digits, [1])
    for _ in range(2):
        grads, losses = together.gradients(flats, *batch)
        single, loss = alone.gradients(own, *batch)
        torch.testing.assert_close(grads["float32"][1:], single["float32"])
        torch.testing.assert_close(losses[1:], loss)


def test_masks_change_from_step_to_step_and_leave_the_global_generator_alone(digits, batch):
    source, flats, _ = source_of(digits, [0])
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    losses = [float(source.gradients(flats, *batch)[1]) for _ in range(3)]
    assert len(set(losses)) == 3
    assert torch.equal(torch.rand(1), expected)


def test_running_statistics_are_those_of_its_own_module_and_evaluation_leaves_them(digits, batch):
    source, flats, modules = source_of(digits, [0, 1])
    source.gradients(flats, *batch)
    means = [module[1].running_mean.clone() for module in modules]
    assert not torch.equal(means[0], means[1])
    first, second = (source.evaluate(flats, digits.splits) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(modules[0][1].running_mean, means[0])


def test_evidence_cannot_be_had(digits):
    source, flats, _ = source_of(digits, [0, 1])
    assert torch.isnan(source.evidence(flats, digits.splits.train)).all()
