"""Distributions of few-shot tasks."""

import pytest
import torch
from torch import nn

import metaopt


class Lines:
    """Episodes of random numbers."""

    fingerprint = "lines"

    def sample(self, partition, count, generator):
        return metaopt.Episodes(*torch.randn(4, count, 5, 1, generator=generator).unbind())


def task(episodes=None, **changes):
    return metaopt.FewShotTask(
        "lines", "waves", lambda: nn.Linear(1, 1), episodes or Lines(), nn.functional.mse_loss, **changes
    )


def test_the_evaluated_episodes_are_always_the_same_and_others_for_tests():
    validation, again, test = (task().evaluated_episodes(partition, 3) for partition in ("validation",) * 2 + ("test",))
    assert torch.equal(validation.query_inputs, again.query_inputs)
    assert not torch.equal(validation.query_inputs, test.query_inputs)
    assert len(validation) == 3
    assert len(task(num_evaluated=7).evaluated_episodes("test")) == 7


def test_a_source_may_be_made_when_it_is_needed():
    calls = []

    def source():
        calls.append(None)
        return Lines()

    lazy = task(source)
    assert calls == []
    assert lazy.examples[0].shape == (5, 1)
    assert isinstance(lazy.source, Lines)
    assert len(calls) == 1
    assert lazy.fingerprint == task().fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"num_steps": 6},
        {"batch_size": 2},
        {"num_iterations": 9},
        {"batch_norm": "frozen"},
        {"features": "0"},
        {"version": "2"},
    ],
)
def test_every_setting_counts_for_its_fingerprint(change):
    assert task(**change).fingerprint != task().fingerprint


def test_validations_are_spread_evenly_and_end_with_the_last_iteration():
    assert task(num_iterations=10, num_validations=4).validation_iterations == (2, 5, 8, 10)
    assert task(num_iterations=2, num_validations=4).validation_iterations == (1, 2)


def test_sets_that_do_not_fit_together_are_refused():
    ones = torch.ones(2, 3, 1)
    with pytest.raises(metaopt.InputError, match="Episodes need support inputs and targets"):
        metaopt.Episodes(ones, ones[:, :2], ones, ones)


def test_an_unknown_policy_for_batch_norm_is_refused():
    with pytest.raises(metaopt.InputError, match="batch_norm must be 'batch', 'support' or 'frozen', got 'running'"):
        task(batch_norm="running")


def test_features_are_named_by_text():
    with pytest.raises(metaopt.InputError, match="features must be the name of a part of the model, got 3"):
        task(features=3)
