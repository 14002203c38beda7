"""A recipe holds a plugin as it is."""

import pytest
import torch

import metaopt
from metaopt import Configuration, Float, Rate
from metaopt.plugin import Registry
from metaopt.testing.rules.subject import CONSTANT, DESCENT
from metaopt.testing.stoppers.recipes import controller_survives_a_recipe, require_survives, stopper_survives_a_recipe


class Scaled:
    """A constant factor."""

    def init(self, hparams):
        return {}

    def update(self, state, info, hparams):
        return Rate(hparams["factor"]), state


def test_sound_plugins_survive():
    space = {"factor": Float(0.1, 1.0, log=True, default=0.5)}
    controller_survives_a_recipe(metaopt.ControllerSpec(name="scaled", version="1", controller=Scaled(), space=space))
    stopper_survives_a_recipe(
        metaopt.StopperSpec(name="mine", version="1", fires=lambda batch, hparams: batch.values > 1)
    )


def test_weights_survive_where_they_are_finite():
    registry = Registry()
    for part in (DESCENT, CONSTANT):
        registry.register(part)
    candidate = Configuration(DESCENT.name, CONSTANT.name)
    require_survives(candidate, registry, theta={"w": torch.tensor([1.0, 1 / 3])})
    with pytest.raises(metaopt.RecipeError, match="hold numbers that are not finite"):
        require_survives(candidate, registry, theta={"w": torch.tensor([1.0, float("inf")])})
