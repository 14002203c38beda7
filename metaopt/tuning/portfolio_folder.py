"""A portfolio on the disk: a numbered folder a recipe, and `portfolio.json`, whose rename changes it as a whole.

The new recipes lie beside the old ones, under names with their hashes, until the document names them, and take their
numbers afterwards; a reader in between finds them under either name.
"""

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metaopt.errors import RecipeError, first_line, quoted
from metaopt.files import is_file, read_bytes, read_json, turn_in, write_in_turn
from metaopt.recipe import DOCUMENT, Recipe, load_recipe

PORTFOLIO = "portfolio.json"

_BESIDE = re.compile(r"[0-9]+\.[0-9a-f]{16}")


def save_recipes(recipes: Sequence[Recipe], fields: Mapping[str, Any], home: Path) -> None:
    """Write `1/`, `2/`, … and the document, so that a kill at any moment leaves the old portfolio or the new one.

    Args:
        recipes: at least one.
        fields: what else the document holds, plain JSON.
        home: made where it is missing.

    Raises:
        RecipeError: it cannot be written; what was there is as it was.
    """
    digests = [_digest(recipe) for recipe in recipes]
    numbers = [str(number) for number in range(1, len(recipes) + 1)]
    document = {"recipes": numbers, "sha256": digests, **fields}
    try:
        home.mkdir(parents=True, exist_ok=True)
        with turn_in(home):
            for recipe, number, digest in zip(recipes, numbers, digests, strict=True):
                recipe.save(home / _beside(number, digest))
            write_in_turn(home / PORTFOLIO, (json.dumps(document, indent=2) + "\n").encode())
            for recipe, number in zip(recipes, numbers, strict=True):
                recipe.save(home / number)
            _remove_beside(home)
    except OSError as error:
        raise RecipeError(
            f"The portfolio could not be written to {quoted(home)}: {first_line(error)}. Make room there or "
            "choose another folder."
        ) from error


def read_recipes(home: Path) -> tuple[tuple[Recipe, ...], Mapping[str, Any]]:
    """The recipes in their order, and the whole document.

    Raises:
        RecipeError: there is no portfolio, or it is damaged.
    """
    try:
        document = read_json(home / PORTFOLIO)
        names = document["recipes"]
        digests = document.get("sha256", [""] * len(names))
        if not all(isinstance(text, str) for text in (*names, *digests)) or len(digests) != len(names) or not names:
            raise ValueError("recipes and sha256 must list a name and a hash of each recipe")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        cause = f"the field {error} is missing" if isinstance(error, KeyError) else first_line(error)
        raise RecipeError(f"There is no portfolio in {quoted(home)}: {cause}.") from error
    folders = [_folder(home, name, digest) for name, digest in zip(names, digests, strict=True)]
    return tuple(load_recipe(folder) for folder in folders), document


def _folder(home: Path, name: str, digest: str) -> Path:
    beside = home / _beside(name, digest)
    return beside if is_file(beside / DOCUMENT) and _digest_in(home / name) != digest else home / name


def _digest(recipe: Recipe) -> str:
    return hashlib.sha256(recipe.text.encode()).hexdigest()


def _digest_in(folder: Path) -> str:
    try:
        return hashlib.sha256(read_bytes(folder / DOCUMENT)).hexdigest()
    except OSError:
        return ""


def _beside(number: str, digest: str) -> str:
    """What a recipe's folder is called while another recipe has its number."""
    return f"{number}.{digest[:16]}"


def _remove_beside(home: Path) -> None:
    with contextlib.suppress(OSError):
        for entry in home.iterdir():
            if _BESIDE.fullmatch(entry.name) and entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
