"""Recipes: what to train with, how it was found, and how to use it in any loop."""

from metaopt.recipe.adapting import Predictor, adapt
from metaopt.recipe.importing import import_recipe
from metaopt.recipe.initialization import learned_start
from metaopt.recipe.provenance import MadeOn, recorded
from metaopt.recipe.recipe import Recipe
from metaopt.recipe.saving import DOCUMENT
from metaopt.recipe.scaled_rate import scaled_rates
from metaopt.recipe.storage import as_recipe, load_recipe, shipped_recipes

__all__ = [
    "DOCUMENT",
    "MadeOn",
    "Predictor",
    "Recipe",
    "adapt",
    "as_recipe",
    "import_recipe",
    "learned_start",
    "load_recipe",
    "recorded",
    "scaled_rates",
    "shipped_recipes",
]
