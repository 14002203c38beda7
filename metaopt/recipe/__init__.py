"""Recipes: what to train with, how it was found, and how to use it in any loop."""

from metaopt.recipe.adapting import Predictor, adapt
from metaopt.recipe.host_signals import HOSTS, Host, check_host, host_named, required_by
from metaopt.recipe.importing import import_recipe
from metaopt.recipe.initialization import learned_start
from metaopt.recipe.provenance import MadeOn, own_space_record, recorded
from metaopt.recipe.recipe import Recipe
from metaopt.recipe.saving import DOCUMENT
from metaopt.recipe.scaled_rate import peak_rate, scaled_rates
from metaopt.recipe.sharing import POOL_SIZE, Interval, TrialsWorth, origin
from metaopt.recipe.storage import as_recipe, load_recipe, shipped_recipes

__all__ = [
    "DOCUMENT",
    "HOSTS",
    "POOL_SIZE",
    "Host",
    "Interval",
    "MadeOn",
    "Predictor",
    "Recipe",
    "TrialsWorth",
    "adapt",
    "as_recipe",
    "check_host",
    "host_named",
    "import_recipe",
    "learned_start",
    "load_recipe",
    "origin",
    "own_space_record",
    "peak_rate",
    "recorded",
    "required_by",
    "scaled_rates",
    "shipped_recipes",
]
