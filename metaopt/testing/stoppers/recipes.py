"""Plugins in recipes: written to disk and read again."""

import tempfile
from pathlib import Path

from metaopt.configuration import Configuration
from metaopt.contracts import Theta
from metaopt.deploy import StopperConfiguration
from metaopt.plugin import ControllerSpec, Registry, StopperSpec
from metaopt.recipe import Recipe, load_recipe
from metaopt.testing.errors import require
from metaopt.testing.rules.subject import CONSTANT, DESCENT
from metaopt.testing.samples import draws
from metaopt.testing.stoppers.policies import configuration, registry_with


def controller_survives_a_recipe(spec: ControllerSpec) -> None:
    """A recipe with it comes back from disk as it was."""
    registry = Registry()
    for part in (DESCENT, spec):
        registry.register(part)
    for values in draws(spec.space, 3):
        hparams = {f"{spec.name}.{name}": value for name, value in values.items()}
        require_survives(Configuration(DESCENT.name, spec.name, hparams=hparams), registry)


def stopper_survives_a_recipe(spec: StopperSpec) -> None:
    """A recipe with it comes back from disk as it was."""
    registry = registry_with(spec)
    for part in (DESCENT, CONSTANT):
        registry.register(part)
    for values in draws(spec.space, 3):
        require_survives(Configuration(DESCENT.name, CONSTANT.name), registry, configuration(spec, values))


def require_survives(
    candidate: Configuration,
    registry: Registry,
    stopper: StopperConfiguration | None = None,
    theta: Theta | None = None,
) -> None:
    """Raise ConformanceError unless a recipe comes back from disk as it was."""
    recipe = Recipe.create(candidate, stopper, registry=registry, theta=theta)
    with tempfile.TemporaryDirectory() as folder:
        recipe.save(Path(folder) / "recipe")
        loaded = load_recipe(Path(folder) / "recipe", registry=registry)
    require(loaded == recipe, f"A recipe came back from disk otherwise: {recipe.text}\nagainst {loaded.text}.")
