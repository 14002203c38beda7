"""Recipes: what to train with, how it was found, and how to use it in any loop."""

from metaopt.recipe.made_on import MadeOn
from metaopt.recipe.recipe import Recipe
from metaopt.recipe.storage import load_recipe

__all__ = ["MadeOn", "Recipe", "load_recipe"]
