"""The card of a recipe is Markdown with a header in YAML, and holds scores, range and price."""

import yaml

import metaopt
from metaopt import Configuration
from metaopt.plugin import current_registry
from metaopt.recipe import origin
from metaopt.recipe.sharing.card import card_of


def parts_of(card):
    _, header, body = card.split("---\n", 2)
    return yaml.safe_load(header), body


def test_it_holds_what_the_recipe_is_and_what_it_scored():
    recipe = metaopt.load_recipe("default")
    header, body = parts_of(card_of(recipe, "ann/mine", current_registry()))
    assert header["library_name"] == "metaopt"
    assert header["tags"][:2] == ["metaopt", "training-recipe"]
    assert 'metaopt.load_recipe("hf://ann/mine")' in body
    for line in origin(recipe):
        assert f"- {line}" in body
    held_out = recipe.provenance["scores"]["held_out"]["mean"]["recipe"]
    assert f"recipe {held_out[0]:.3f} [{held_out[1]:.3f}, {held_out[2]:.3f}]" in body
    cost = recipe.provenance["cost"]
    trainings = cost["evaluations"] + cost["reference_evaluations"] + cost["comparison_evaluations"]
    assert f"{trainings:,} trainings" in body
    assert "nothing in it is code" in body


def test_a_recipe_made_by_hand_has_one_too_and_weights_are_named():
    plain = metaopt.Recipe.create(Configuration("adamw", "cosine"))
    assert "theta.safetensors" not in card_of(plain, "ann/mine", current_registry())
    learned = metaopt.load_recipe("mlp_lopt")
    assert f"with {len(learned.theta)} learned tensors" in card_of(learned, "ann/mine", current_registry())


def test_names_that_a_stranger_chose_stay_text():
    evil = {"corpus": {"name": "x\n---\ntags: [evil]\n<script>alert(1)</script>", "tasks": [], "fingerprint": "0"}}
    recipe = metaopt.Recipe.create(Configuration("adamw", "cosine"), provenance=evil)
    header, body = parts_of(card_of(recipe, "ann/mine", current_registry()))
    assert "evil" not in header["tags"]
    assert "<script>" not in body
