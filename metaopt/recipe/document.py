"""The JSON document of a recipe."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metaopt.errors import RecipeError, first_line
from metaopt.recipe.saving import oldest_schema

if TYPE_CHECKING:
    from metaopt.recipe.recipe import Recipe


def document_of(recipe: "Recipe") -> dict[str, Any]:
    """What `recipe.json` holds."""
    return {
        "schema": oldest_schema(recipe.configuration, recipe.made_on, has_values=bool(recipe.values)),
        "configuration": recipe.configuration.to_json(),
        "stopper": None if recipe.stopper is None else recipe.stopper.to_json(),
        "plugins": dict(recipe.plugins),
        "made_on": None if recipe.made_on is None else recipe.made_on.to_json(),
        "num_validations": recipe.num_validations,
        "provenance": dict(recipe.provenance),
        "theta_sha256": hashlib.sha256(recipe.theta_bytes).hexdigest() if recipe.theta_bytes else None,
    }


def text_of(document: Mapping[str, Any]) -> str:
    """A document as readable text, with sorted keys.

    Raises:
        RecipeError: the provenance is not plain JSON.
    """
    try:
        return json.dumps(document, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
    except (TypeError, ValueError) as error:
        rule = "The recipe's provenance must be plain JSON without NaN or infinity"
        raise RecipeError(f"{rule}: {first_line(error)}.") from error
