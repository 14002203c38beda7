"""Recipes for other people: what is told of them, and the Hugging Face Hub, where they are fetched and pushed."""

from metaopt.recipe.sharing.estimates import POOL_SIZE, Interval, TrialsWorth
from metaopt.recipe.sharing.origin import origin

__all__ = ["POOL_SIZE", "Interval", "TrialsWorth", "origin"]
