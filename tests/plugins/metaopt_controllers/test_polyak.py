"""Polyak's rate on numbers worked out here, and in a deployed run."""

import math

import pytest
import torch

import metaopt
from metaopt_controllers.polyak import POLYAK


def test_it_is_the_gap_over_the_squared_norm(follow):
    found = follow(POLYAK, [2.0, 1.0, 0.1], [2.0, 4.0, 1.0], c=0.5, cap=10.0, growth=0.0, lowest=0.1, eps=1e-12)
    assert found == pytest.approx([1.9 / 2, 0.9 / 8, 0.0])
    bounded = follow(POLYAK, [1.0, 1.0, math.nan, 1.0], [1.0, 0.01, 1.0, 0.01], c=1.0, cap=100.0, growth=2.0, eps=1e-12)
    assert bounded == pytest.approx([1.0, 2.0, 0.0, 4.0]), "twice the last one at most; nothing where nothing is known"
    assert max(follow(POLYAK, [1.0] * 3, [0.0] * 3, cap=0.3)) == pytest.approx(0.3)


def test_it_solves_a_quadratic_in_one_step_where_its_lowest_value_is_known():
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    optimizer = metaopt.create_optimizer("sgd", [w], lr=123.0)
    recipe = metaopt.Recipe.create(
        metaopt.Configuration("sgd", controller="polyak", hparams={"polyak.c": 1.0, "polyak.cap": 10.0})
    )
    run = recipe.bind([w], total_steps=3)
    run.optimizer.zero_grad()
    loss = w.square().sum() / 2
    loss.backward()
    run.step(loss)
    # f / ‖g‖² is a half: the step goes half of the way, whatever lr says.
    assert w.tolist() == pytest.approx([1.5, 2.0])
    assert optimizer.param_groups[0]["lr"] == 123.0
