"""Recipes: what to train with, how it was found, and how to use it in any loop."""

from metaopt.recipe.initialization import learned_start
from metaopt.recipe.made_on import MadeOn
from metaopt.recipe.provenance import recorded
from metaopt.recipe.recipe import Recipe
from metaopt.recipe.saving import DOCUMENT
from metaopt.recipe.storage import load_recipe, shipped_recipes

__all__ = ["DOCUMENT", "MadeOn", "Recipe", "learned_start", "load_recipe", "recorded", "shipped_recipes"]
