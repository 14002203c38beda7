"""The recipes of the run over all hosts: what ships, each optimizer, each wrapper and each controller."""

from collections.abc import Callable, Mapping

import metaopt
from metaopt import Configuration, Recipe, Role, StopperConfiguration
from metaopt.plugin import current_registry
from metaopt.recipe import shipped_recipes

#: Ends a training where nothing was gained for half of it.
STOPPER = StopperConfiguration("patience", {"patience": 0.5})


def recipes() -> Mapping[str, Callable[[], Recipe]]:
    """By name: `default`, `adafactor`, `adamw/clip` (a wrapper), `adamw+cosine` (a controller)."""
    registry = current_registry()
    known = {name: lambda name=name: metaopt.load_recipe(name) for name in shipped_recipes()}
    for spec in registry.specs(metaopt.OptimizerSpec):
        if spec.meta is None and not spec.name.startswith("po_"):
            known[spec.name] = lambda spec=spec: _of(_alone(spec))
    for spec in registry.specs(metaopt.WrapperSpec):
        if spec.meta is None:
            known[f"adamw/{spec.name}"] = lambda spec=spec: _of(Configuration("adamw", wrappers=(spec.name,)))
    for spec in registry.specs(metaopt.ControllerSpec):
        optimizer = "sgd" if spec.name == "polyak" else "adamw"
        known[f"{optimizer}+{spec.name}"] = lambda spec=spec, optimizer=optimizer: _of(
            Configuration(optimizer, spec.name)
        )
    return known


def _alone(spec: metaopt.OptimizerSpec) -> Configuration:
    if spec.takes == "matrices":
        return Configuration("adamw", roles={"matrix": Role(optimizer=spec.name)})
    return Configuration(spec.name)


def _of(configuration: Configuration) -> Recipe:
    return Recipe.create(configuration, STOPPER)
