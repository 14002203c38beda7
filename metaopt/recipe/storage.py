"""Recipes read from the disk, so that every fault has a sentence."""

import os
import re
import warnings
from collections.abc import Mapping, Set
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor

from metaopt.configuration import Configuration
from metaopt.deploy import StopperConfiguration
from metaopt.errors import InputError, RecipeError, checked_function, did_you_mean, first_line, listed, quoted
from metaopt.files import as_path, folders_like, is_file, is_folder, read_json
from metaopt.plugin import Registry, current_registry
from metaopt.recipe.provenance import MadeOn, recorded
from metaopt.recipe.recipe import Recipe
from metaopt.recipe.saving import DOCUMENT, SCHEMA, WEIGHTS, read_weights
from metaopt.recipe.sharing.hub import fetched, is_on_hub

_SHA256 = re.compile("[0-9a-f]{64}")
#: What a document, its configuration and its range may hold.
_FIELDS = {field.name for field in fields(Recipe) if field.name != "theta"} | {"schema", "theta_sha256"}
_CONFIGURATION = {field.name for field in fields(Configuration)}
_MADE_ON = {field.name for field in fields(MadeOn)}


@checked_function()
def load_recipe(path: str | Path, *, registry: Registry | None = None) -> Recipe:
    """Read a recipe.

    Args:
        path: its folder, its `recipe.json`, or the name of one that ships with metaopt, such as `"default"` (write
            `"./default"` for a folder of that name); or `"hf://user/name"`, `"hf://user/name@revision"` on the Hugging
            Face Hub, of which only a recipe's own files are read.
        registry: where to find its plugins; everything installed by default.

    Raises:
        RecipeError: it is missing, out of reach, corrupt, newer than this metaopt, or names an unknown plugin.
    """
    folder = _folder(path)
    document = _read_document(folder / DOCUMENT)
    weights = _read_weights(document, folder)
    while weights is None:  # somebody saves another recipe there: its weights are in place, and so is its document
        document, former = _read_document(folder / DOCUMENT), document
        weights = _read_weights(document, folder, final=document == former)
    recipe = _parse(document, weights, folder)
    _check_plugins(recipe, folder, current_registry(registry))
    return recipe


def as_recipe(recipe: Recipe | str | Path) -> Recipe:
    """A recipe, or what `load_recipe` reads of that name or at that place; raises what that raises."""
    return recipe if isinstance(recipe, Recipe) else load_recipe(recipe)


def shipped_recipes() -> list[str]:
    """Names of the recipes that ship with metaopt."""
    shelf = files("metaopt") / "recipes"
    return sorted(entry.name for entry in shelf.iterdir() if entry.is_dir()) if shelf.is_dir() else []


def _folder(path: str | Path) -> Path:
    shipped = shipped_recipes()
    if isinstance(path, str) and path in shipped:
        return Path(str(files("metaopt") / "recipes" / path))
    if is_on_hub(path):
        return fetched(os.fspath(path))
    folder = as_path(path, "A recipe")
    if folder.name == DOCUMENT and not is_folder(folder):
        folder = folder.parent
    if not is_file(folder / DOCUMENT):
        what = f"It holds no {DOCUMENT}" if is_folder(folder) else "There is no such folder"
        hint = did_you_mean(str(folder), [*shipped, *_others_like(folder)], "; {} By name")
        names = f"{hint or '; by name'} there are: {', '.join(shipped)}"
        raise RecipeError(f"No recipe at {quoted(Path(path))}. {what}{names}.")
    return folder


def _others_like(folder: Path) -> list[str]:
    """Folders that may have been meant where there is none of this name."""
    return [] if is_folder(folder) else folders_like(folder)


def _read_document(file: Path) -> Mapping[str, Any]:
    try:
        document = read_json(file)
    except (ValueError, OSError) as error:
        raise RecipeError(
            f"The recipe {quoted(file)} is corrupt: {first_line(error)}. Save it again, or restore a copy."
        ) from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise RecipeError(f"{quoted(file)} is not a recipe: it has no schema version, but every recipe has one.")
    if schema > SCHEMA:
        raise RecipeError(
            f"The recipe {quoted(file)} was written by a newer metaopt "
            f"(schema {quoted(schema)}, this one reads up to {SCHEMA}); upgrade with pip install -U metaopt-torch."
        )
    assert isinstance(document, dict)
    return document


def _parse(document: Mapping[str, Any], weights: bytes, folder: Path) -> Recipe:
    file = folder / DOCUMENT
    _check_fields(document, _FIELDS, file)
    for name in ("configuration", "plugins", "provenance", "made_on", "stopper"):
        part = document.get(name, {})
        if not isinstance(part, dict) and not (part is None and name in ("made_on", "stopper")):
            raise _corrupt(file, f"{name} must be an object {{...}}, got {quoted(part)}")
    try:
        _check_fields(document["configuration"], _CONFIGURATION, file, " in configuration")
        made_on = document.get("made_on")
        if made_on is not None:
            _check_fields(made_on, _MADE_ON, file, " in made_on")
        stopper = document.get("stopper")
        return Recipe(
            configuration=Configuration.from_json(document["configuration"]),
            stopper=None if stopper is None else StopperConfiguration.from_json(stopper),
            theta=_theta(weights, folder / WEIGHTS),
            made_on=None if made_on is None else MadeOn.from_json(made_on),
            num_validations=document.get("num_validations"),
            plugins={key: str(value) for key, value in document.get("plugins", {}).items()},
            provenance=dict(document.get("provenance", {})),
        )
    except RecipeError:
        raise
    except InputError as error:
        raise RecipeError(f"The recipe {quoted(file)} is not valid: {error}") from error
    except KeyError as error:
        raise _corrupt(file, f"the field {error} is missing") from error
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise _corrupt(file, first_line(error)) from error


def _corrupt(file: Path, fault: str) -> RecipeError:
    return RecipeError(f"The recipe {quoted(file)} is corrupt: {fault}.")


def _check_fields(document: Mapping[str, Any], known: Set[str], file: Path, part: str = "") -> None:
    unknown = sorted(set(document) - known)
    if unknown:
        raise RecipeError(
            f"The recipe {quoted(file)} has unknown fields{part}: {listed(unknown)}; known: {', '.join(sorted(known))}."
        )


def _read_weights(document: Mapping[str, Any], folder: Path, final: bool = False) -> bytes | None:
    """The bytes of the weights that a document names; empty where it names none, None where others are there.

    Raises:
        RecipeError: they cannot be read; or, if `final`, others are there.
    """
    sha256, file = document.get("theta_sha256"), folder / WEIGHTS
    if sha256 is None:
        return b""
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise _corrupt(folder / DOCUMENT, f"theta_sha256 must be 64 hex digits, got {quoted(sha256)}")
    try:
        content, actual = read_weights(folder, sha256)
    except OSError as error:
        raise RecipeError(
            f"The recipe's weights {quoted(file)} cannot be read: {first_line(error)}; restore a copy."
        ) from error
    if actual == sha256 and not content:
        raise RecipeError(f"The weights {quoted(file)} are corrupt: the file is empty; restore a copy.")
    if actual == sha256:
        return content
    if final:
        raise RecipeError(
            f"The weights {quoted(file)} are not those that {DOCUMENT} was saved with "
            f"(SHA-256 {actual[:16]}…, expected {sha256[:16]}…); save the recipe again, or restore both files."
        )
    return None


def _theta(content: bytes, file: Path) -> dict[str, Tensor] | None:
    if not content:
        return None
    try:
        theta = load_safetensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise RecipeError(f"The weights {quoted(file)} are corrupt: {first_line(error)}.") from error
    if not theta:
        raise RecipeError(f"The weights {quoted(file)} are corrupt: the file is whole and holds none; restore a copy.")
    numbers = {name: tensor.double() for name, tensor in theta.items() if tensor.is_floating_point()}
    broken = sorted(name for name, tensor in numbers.items() if not bool(torch.isfinite(tensor).all()))
    if broken:
        raise RecipeError(
            f"The weights {quoted(broken[0])} in {quoted(file)} hold numbers that are not finite; restore a copy."
        )
    return theta


def _check_plugins(recipe: Recipe, folder: Path, registry: Registry) -> None:
    try:
        specs = recipe.checked_plugins(registry)
    except InputError as error:
        raise RecipeError(
            f"The recipe {quoted(folder / DOCUMENT)} cannot be used here: {error}{_origins(recipe, registry)}"
        ) from error
    for spec in specs:
        version = recipe.plugins.get(f"{spec.kind} {spec.name}", spec.version)
        if version != spec.version:
            warnings.warn(
                f"The recipe {quoted(folder)} was made with version {version} of the {spec.kind} {spec.name!r}, "
                f"installed is version {spec.version}: it may train differently.",
                UserWarning,
                stacklevel=4,
            )


def _origins(recipe: Recipe, registry: Registry) -> str:
    """Where the plugins that are missing here came from when the recipe was made, as a further sentence."""
    known = {f"{entry.spec.kind} {entry.spec.name}" for entry in registry}
    origins = recorded(recipe.provenance, "distributions")
    lost = {key: str(origins[key]) for key in recipe.plugins if key not in known and key in origins}
    missing = [f"{key} came from {origin}" for key, origin in lost.items()]
    names = sorted({origin.partition(" ")[0] for origin in lost.values()} - {"metaopt-torch", ""})
    names = [name for name in names if not name.startswith("(")]  # a file or a session cannot be installed
    install = f" To have it, pip install {' '.join(names)}." if names else ""
    return f" When the recipe was made, {', '.join(missing)}.{install}" if missing else ""
