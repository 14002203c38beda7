"""A recipe records what it stands on, without anything of the machine that made it, and the range it was made on."""

import datetime
import json
import math
import platform

import pytest
import torch
from torch import nn

import metaopt
from metaopt import Configuration, Recipe
from metaopt.plugin.kinds import ControllerSpec
from metaopt.plugin.optimizer import OptimizerSpec
from metaopt.plugin.registry import current_registry
from metaopt.recipe import MadeOn
from metaopt.recipe.provenance import distributions, provenance_of, recorded, versions


def specs():
    registry = current_registry()
    return [registry.get(OptimizerSpec, "adamw"), registry.get(ControllerSpec, "wsd")]


def test_plugins_are_recorded_by_kind_and_name():
    adamw, wsd = specs()
    assert versions(specs()) == {"optimizer adamw": adamw.version, "controller wsd": wsd.version}
    sources = distributions(specs(), current_registry())
    assert sources.keys() == versions(specs()).keys()
    assert set(sources.values()) == {f"metaopt-torch {metaopt.__version__}"}


def test_it_says_when_and_with_which_libraries():
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    provenance = provenance_of(specs(), current_registry())
    created = datetime.datetime.fromisoformat(provenance["created"])
    assert before <= created <= datetime.datetime.now(datetime.UTC)
    assert provenance["libraries"]["python"] == platform.python_version()
    assert provenance["libraries"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert provenance["distributions"] == distributions(specs(), current_registry())


@pytest.mark.parametrize("provenance", [{}, {"libraries": None}, {"libraries": "torch"}, {"libraries": [1]}])
def test_a_part_that_somebody_wrote_otherwise_is_empty(provenance):
    assert recorded(provenance, "libraries") == {}
    assert recorded({"libraries": {"torch": "2.9"}}, "libraries") == {"torch": "2.9"}


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
