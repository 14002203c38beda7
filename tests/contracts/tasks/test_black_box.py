"""A training job seen from outside."""

import pytest

from metaopt import BlackBoxTask, Float, InputError


def train(recipe, seed, dropout=0.5):
    yield 1, dropout


def test_what_is_searched_and_the_budget_are_in_the_fingerprint():
    job = BlackBoxTask("job", "jobs", train)
    own = BlackBoxTask("job", "jobs", train, space={"dropout": Float(0.0, 0.9, default=0.1)})
    prints = {job.fingerprint, own.fingerprint, BlackBoxTask("job", "jobs", train, num_steps=3).fingerprint}
    assert len(prints) == 3
    assert job.fingerprint == BlackBoxTask("job", "jobs", train).fingerprint


def test_a_job_prints_as_one_line_with_what_it_has_of_its_own():
    own = BlackBoxTask("job", "jobs", train, space={"dropout": Float(0.0, 0.9, default=0.1)})
    assert repr(own) == "BlackBoxTask(name='job', family='jobs', num_steps=None, space='dropout')"


def test_a_hyperparameter_that_the_job_does_not_take_is_refused():
    with pytest.raises(InputError, match="width"):
        BlackBoxTask("job", "jobs", lambda recipe, seed: iter([]), space={"width": Float(0.0, 1.0, default=0.1)})
