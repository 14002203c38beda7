"""An ordinary task as a distribution of whole trainings."""

import torch
from torch import nn

import metaopt
from metaopt.meta import few_shot


def task():
    parts = [metaopt.Split(torch.full((count, 2), float(count)), torch.zeros(count, 1)) for count in (9, 4, 3)]
    return metaopt.Task(
        "rows", "tables", lambda: nn.Linear(2, 1), metaopt.Splits(*parts), nn.functional.mse_loss, batch_size=4
    )


def test_every_episode_is_a_training_judged_on_validation_examples_and_tested_on_test_examples():
    ordinary = task()
    episodic = few_shot(ordinary, num_iterations=5)
    assert (episodic.num_steps, episodic.batch_size, episodic.num_iterations) == (ordinary.num_steps, 4, 5)
    for partition, count in (("train", 4), ("validation", 4), ("test", 3)):
        drawn = episodic.sample(partition, 6, torch.Generator())
        assert drawn.support_inputs.shape == (6, 9, 2)
        assert drawn.query_inputs.shape == (6, count, 2)


def test_episodes_are_views_of_the_data():
    ordinary = task()
    drawn = few_shot(ordinary).sample("train", 1000, torch.Generator())
    assert (
        drawn.support_inputs.untyped_storage().data_ptr() == ordinary.splits.train.inputs.untyped_storage().data_ptr()
    )


def test_it_is_known_by_the_fingerprint_of_its_task():
    ordinary = task()
    assert few_shot(ordinary).source.fingerprint == ordinary.fingerprint
