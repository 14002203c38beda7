"""Recipes read from the disk, so that every fault has a sentence."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from metaopt import registry as registries
from metaopt.configuration import Configuration
from metaopt.deploy.stopping import StopperConfiguration
from metaopt.errors import InputError, RecipeError, first_line
from metaopt.recipe.made_on import MadeOn
from metaopt.recipe.provenance import recipe_specs
from metaopt.recipe.recipe import SCHEMA, Recipe
from metaopt.recipe.saving import DOCUMENT, WEIGHTS
from metaopt.registry import Registry

_FIELDS = frozenset(
    {"schema", "configuration", "stopper", "plugins", "made_on", "num_validations", "provenance", "theta_sha256"}
)
_CONFIGURATION = frozenset({"optimizer", "controller", "wrappers", "hparams", "no_decay"})
_MADE_ON = frozenset({"parameters", "batch_size", "horizon", "dtypes", "loss"})


def load_recipe(path: str | Path, *, registry: Registry | None = None) -> Recipe:
    """Read a recipe.

    Args:
        path: its folder, its `recipe.json`, or the name of one that ships with metaopt, such as `"default"` (write
            `"./default"` for a folder of that name).
        registry: where to find its plugins; everything installed by default.

    Raises:
        RecipeError: it is missing, corrupt, newer than this metaopt, or names an unknown plugin.
    """
    folder = _folder(path)
    document = _read_document(folder / DOCUMENT)
    recipe = _parse(document, folder)
    _check_plugins(recipe, folder, registry or registries.current())
    return recipe


def shipped_recipes() -> list[str]:
    """Names of the recipes that ship with metaopt."""
    shelf = files("metaopt") / "recipes"
    return sorted(entry.name for entry in shelf.iterdir() if entry.is_dir()) if shelf.is_dir() else []


def _folder(path: str | Path) -> Path:
    shipped = shipped_recipes()
    if isinstance(path, str) and path in shipped:
        return Path(str(files("metaopt") / "recipes" / path))
    folder = Path(path)
    if folder.name == DOCUMENT and not folder.is_dir():
        folder = folder.parent
    if not (folder / DOCUMENT).is_file():
        what = "There is no such folder" if not folder.exists() else f"It holds no {DOCUMENT}"
        names = f"; by name there are: {', '.join(shipped)}" if shipped else ""
        raise RecipeError(f"No recipe at {str(path)!r}. {what}{names}.")
    return folder


def _read_document(file: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise RecipeError(
            f"The recipe {str(file)!r} is corrupt: {first_line(error)}. Save it again, or restore a copy."
        ) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise RecipeError(f"{str(file)!r} is not a recipe: it has no schema version, but every recipe has one.")
    if schema > SCHEMA:
        raise RecipeError(
            f"The recipe {str(file)!r} was written by a newer metaopt "
            f"(schema {schema}, this one reads up to {SCHEMA}); upgrade with pip install -U metaopt-torch."
        )
    assert isinstance(document, dict)
    return document


def _parse(document: Mapping[str, Any], folder: Path) -> Recipe:
    where = str(folder / DOCUMENT)
    _check_fields(document, _FIELDS, where, "")
    _check_objects(document, where)
    try:
        _check_fields(document["configuration"], _CONFIGURATION, where, " in configuration")
        made_on = document.get("made_on")
        if made_on is not None:
            _check_fields(made_on, _MADE_ON, where, " in made_on")
        stopper = document.get("stopper")
        return Recipe(
            configuration=Configuration.from_json(document["configuration"]),
            stopper=None if stopper is None else StopperConfiguration.from_json(stopper),
            theta=_read_theta(document.get("theta_sha256"), folder),
            made_on=None if made_on is None else MadeOn.from_json(made_on),
            num_validations=document.get("num_validations"),
            plugins={key: str(value) for key, value in document.get("plugins", {}).items()},
            provenance=dict(document.get("provenance", {})),
        )
    except RecipeError:
        raise
    except InputError as error:
        raise RecipeError(f"The recipe {where!r} is not valid: {error}") from error
    except KeyError as error:
        raise RecipeError(f"The recipe {where!r} is corrupt: the field {error} is missing.") from error
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise RecipeError(f"The recipe {where!r} is corrupt: {first_line(error)}.") from error


def _check_fields(document: Mapping[str, Any], known: frozenset[str], where: str, part: str) -> None:
    unknown = sorted(set(document) - known)
    if unknown:
        raise RecipeError(
            f"The recipe {where!r} has unknown fields{part}: {', '.join(unknown)}; known: {', '.join(sorted(known))}."
        )


def _check_objects(document: Mapping[str, Any], where: str) -> None:
    for name in ("configuration", "plugins", "provenance", "made_on", "stopper"):
        found = document.get(name, {})
        if not isinstance(found, dict) and not (found is None and name in ("made_on", "stopper")):
            raise RecipeError(f"The recipe {where!r} is corrupt: {name} must be an object {{...}}, got {found!r:.80}.")


def _read_theta(sha256: str | None, folder: Path) -> dict[str, Tensor] | None:
    if sha256 is None:
        return None
    file = folder / WEIGHTS
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RecipeError(f"The recipe's weights {str(file)!r} cannot be read: {error.strerror}.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise RecipeError(
            f"The weights {str(file)!r} are not those that {DOCUMENT} was saved with "
            f"(SHA-256 {found[:16]}…, expected {sha256[:16]}…); save the recipe again, or restore both files."
        )
    try:
        return load_safetensors(content)
    except SafetensorError as error:
        raise RecipeError(f"The weights {str(file)!r} are corrupt: {first_line(error)}.") from error


def _check_plugins(recipe: Recipe, folder: Path, registry: Registry) -> None:
    try:
        specs = recipe_specs(recipe.configuration, recipe.stopper, registry)
    except InputError as error:
        raise RecipeError(
            f"The recipe {str(folder / DOCUMENT)!r} cannot be used here: {error}{_origins(recipe, registry)}"
        ) from error
    for spec in specs:
        recorded = recipe.plugins.get(f"{spec.kind} {spec.name}", spec.version)
        if recorded != spec.version:
            warnings.warn(
                f"The recipe {str(folder)!r} was made with version {recorded} of the {spec.kind} {spec.name!r}, "
                f"installed is version {spec.version}: it may train differently.",
                UserWarning,
                stacklevel=3,
            )


def _origins(recipe: Recipe, registry: Registry) -> str:
    """Where the plugins that are missing here came from when the recipe was made, as a further sentence."""
    known = {f"{entry.spec.kind} {entry.spec.name}" for entry in registry}
    origins = recipe.provenance.get("distributions", {})
    missing = [f"{key} came from {origins[key]}" for key in recipe.plugins if key not in known and key in origins]
    return f" When the recipe was made, {', '.join(missing)}." if missing else ""
