"""Batch norm layers without running statistics that are written in place."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.pure_layers import FirstRows, needs_support, with_policy


@pytest.fixture
def model():
    torch.manual_seed(0)
    built = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
    built(torch.randn(50, 3))  # running statistics of something
    return built


@pytest.fixture
def inputs():
    return torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


def test_statistics_of_the_batch_are_those_of_torch_in_training(model, inputs):
    pure = with_policy(model, "batch")
    torch.testing.assert_close(pure.eval()(inputs), model.train()(inputs))


def test_frozen_ones_are_those_of_torch_in_evaluation(model, inputs):
    pure = with_policy(model, "frozen")
    torch.testing.assert_close(pure.train()(inputs), model.eval()(inputs))


def test_queries_are_normalised_by_the_support_set(model, inputs):
    pure = with_policy(model, "support")
    assert needs_support(pure)
    with FirstRows(pure, 5):
        together = pure(inputs)
    with FirstRows(pure, 5):
        others = pure(torch.cat([inputs[:5], inputs[5:].flip(0)]))
    torch.testing.assert_close(together[:5], model.train()(inputs[:5]))
    torch.testing.assert_close(together[5:], others[5:].flip(0))


def test_the_model_it_was_made_from_is_left_alone_and_names_stay(model, inputs):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pure = with_policy(model, "batch")
    pure(inputs)
    assert {name for name, _ in pure.named_parameters()} == {name for name, _ in model.named_parameters()}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not needs_support(pure)


def test_frozen_without_running_statistics_is_refused():
    with pytest.raises(metaopt.InputError, match="batch_norm='frozen' needs running statistics"):
        with_policy(nn.BatchNorm1d(3, track_running_stats=False), "frozen")
