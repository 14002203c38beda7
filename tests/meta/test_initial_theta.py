"""Meta-training that goes on from weights: a recipe's, or by name."""

import dataclasses

import pytest
import torch

import metaopt
from metaopt_corpora.sinusoid_episodes import sinusoid_task


def task(iterations):
    return dataclasses.replace(sinusoid_task(5), num_iterations=iterations, num_validations=1, num_evaluated=8)


def meta_trained(iterations, **settings):
    return metaopt.meta_train("meta_sgd", [task(iterations)], compile="off", **settings)


def test_it_begins_where_the_recipe_ended():
    first = meta_trained(3)
    for start in (first.recipe, first.recipe.theta):
        again = meta_trained(1, start=start, hparams={"outer_lr": 1e-9})
        for name, value in first.recipe.theta.items():
            torch.testing.assert_close(again.recipe.theta[name], value, rtol=0, atol=1e-7)
    fresh = meta_trained(1, hparams={"outer_lr": 1e-9})
    assert any(not torch.equal(value, fresh.recipe.theta[name]) for name, value in first.recipe.theta.items())


def test_what_it_starts_from_stays_as_it_is():
    theta = {name: one.clone() for name, one in meta_trained(1).recipe.theta.items()}
    before = {name: one.clone() for name, one in theta.items()}
    meta_trained(2, start=theta)
    assert all(torch.equal(value, before[name]) for name, value in theta.items())


def test_weights_of_another_rule_or_shape_are_refused():
    theta = dict(meta_trained(1).recipe.theta)
    name = sorted(theta)[0]
    with pytest.raises(metaopt.InputError, match=f"'{name}' is absent there and"):
        meta_trained(1, start={key: one for key, one in theta.items() if key != name})
    with pytest.raises(metaopt.InputError, match=f"'{name}' is \\(7,\\) there and"):
        meta_trained(1, start={**theta, name: torch.zeros(7)})


def test_checkpoints_of_another_start_are_not_gone_on_from(tmp_path):
    start = meta_trained(1).recipe
    meta_trained(2, start=start, folder=tmp_path)
    with pytest.raises(metaopt.InputError, match="another meta-training"):
        meta_trained(2, folder=tmp_path)
