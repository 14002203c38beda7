"""The range of tasks that a recipe was made on."""

import json
import math

import pytest
from torch import nn

import metaopt
from metaopt import Configuration, Recipe
from metaopt.recipe import MadeOn


def test_use_far_outside_the_range_is_announced_once_with_how_far():
    recipe = Recipe.create(
        Configuration("adamw", "cosine"),
        made_on=MadeOn(parameters=(1_000, 100_000), batch_size=(16, 64), horizon=(100, 1000)),
    )
    small = nn.Linear(2, 1)
    with pytest.warns(UserWarning, match="far outside the range") as caught:
        recipe.bind(small, total_steps=50_000, batch_size=1)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert caught[0].filename == __file__
    assert "3 parameters, 333 times fewer than the smallest, 1,000" in message
    assert "1 examples a batch, 16 times fewer than the smallest, 16" in message
    assert "50,000 training steps, 50 times more than the largest, 1,000" in message
    assert "settings are used as they are" in message
    recipe.bind(nn.Linear(150, 1), total_steps=9_000, batch_size=128)


@pytest.mark.parametrize(("field", "value"), [("parameters", (10, 1)), ("horizon", (0, 5)), ("batch_size", (1, 2, 3))])
def test_a_range_is_two_positive_whole_numbers_low_first(field, value):
    with pytest.raises(metaopt.InputError, match=rf"made_on.{field} must be two positive whole numbers, low first"):
        MadeOn(**{field: value})


def test_losses_are_two_numbers_low_first():
    with pytest.raises(metaopt.InputError, match=r"made_on.loss must be two numbers, low first"):
        MadeOn(loss=(2.0, math.nan))


def test_it_comes_back_from_json():
    made_on = MadeOn(parameters=(10, 20), horizon=(5, 7), dtypes=("float32",), loss=(0.5, 2))
    assert MadeOn.from_json(json.loads(json.dumps(made_on.to_json()))) == made_on
    assert MadeOn.from_json({}) == MadeOn()
