"""Where a recipe comes from, in lines for people."""

import re

import pytest

import metaopt
from metaopt import Configuration, RecipeError
from metaopt.recipe.sharing.origin import origin


def test_scores_have_their_intervals_and_the_price_of_a_first_run():
    lines = origin(metaopt.load_recipe("default"))
    assert any(
        line.startswith("Test scores on 11 held-out tasks (0 the baseline, 1 long-tuned): recipe ") for line in lines
    )
    assert any("random tuning trials of the task's own" in line for line in lines)
    assert lines[-1].startswith("Created ")
    assert re.match(r"Tuned on '.*' \([1-9]\d* tasks, fingerprint [0-9a-f]+\)\.$", lines[0])


def test_scores_that_tune_did_not_write_are_one_sentence():
    scores = {"held_out": {"mean": {"recipe": [1.0]}, "tasks": 3}}
    recipe = metaopt.Recipe.create(Configuration("adamw"), provenance={"scores": scores})
    with pytest.raises(RecipeError, match=r"^The recipe's scores are not what tune wrote; restore a copy of it\.$"):
        origin(recipe)
