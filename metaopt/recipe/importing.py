"""Recipes from weights that others trained."""

import hashlib
from pathlib import Path

import torch

from metaopt.configuration import Configuration
from metaopt.errors import InputError, checked_function
from metaopt.files import is_file
from metaopt.plugin import OptimizerSpec, Registry, current_registry
from metaopt.recipe.foreign_weights import read_arrays
from metaopt.recipe.recipe import Recipe


@checked_function()
def import_recipe(name: str, path: str | Path, *, registry: Registry | None = None) -> Recipe:
    """A recipe of a learned rule with weights in the format of the rule's authors.

    Args:
        name: the learned optimizer.
        path: a checkpoint; see `metaopt import --help` for formats.
        registry: where plugins are; everything installed by default.

    Raises:
        InputError: the rule takes no such weights, or the file cannot be read, is of another architecture, or holds
            numbers that are not finite.
        PluginError: there is no such optimizer.
    """
    registry = current_registry(registry)
    spec = registry.get(OptimizerSpec, name)
    if spec.meta is None or spec.meta.imported is None:
        able = [other.name for other in registry.specs(OptimizerSpec) if _imports(other)]
        raise InputError(f"{name!r} takes no weights of others; those that do: {', '.join(able)}.")
    chosen, theta = spec.meta.imported(read_arrays(path))
    broken = sorted(key for key, weights in theta.items() if not bool(torch.isfinite(weights).all()))
    if broken:
        raise InputError(f"{path}: the weights {broken[0]!r} hold numbers that are not finite.")
    record: dict[str, str] = {"file": Path(path).name}
    if is_file(path):
        record["sha256"] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return Recipe.create(Configuration(chosen), registry=registry, theta=theta, provenance={"imported": record})


def _imports(spec: OptimizerSpec) -> bool:
    return spec.meta is not None and spec.meta.imported is not None
