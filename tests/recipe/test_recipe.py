"""A recipe: what it is made of, and what it stands on."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

import metaopt
from metaopt import Configuration, Recipe, StopperConfiguration
from metaopt.plugin import Registry, current_registry


def test_recipes_with_other_weights_are_other_recipes(recipe):
    assert recipe != replace(recipe, theta={**recipe.theta, "scalar": torch.tensor(3.0)})


def test_creating_a_recipe_checks_its_plugins_and_hyperparameters():
    with pytest.raises(metaopt.PluginError, match="There is no controller 'wds'"):
        Recipe.create(Configuration("adamw", "wds"))
    with pytest.raises(metaopt.InputError, match="patience has no hyperparameter 'patince'"):
        Recipe.create(Configuration("adamw"), StopperConfiguration("patience", {"patince": 3}))
    with pytest.raises(metaopt.InputError, match=r"The stopper 'any' needs stoppers="):
        Recipe.create(Configuration("adamw"), StopperConfiguration("any"))


def test_another_stopper_can_be_put_in(recipe):
    changed = recipe.with_stopper(StopperConfiguration("target", {"target": 0.1}))
    assert changed.name == "adamw+averaged+wsd+target"
    assert [key for key in changed.plugins if key.startswith("stopper")] == ["stopper target"]
    assert changed.with_stopper(None).stopper is None


def test_another_stopper_brings_its_origin_along():
    recipe = Recipe.create(Configuration("adamw"), StopperConfiguration("patience"))
    changed = recipe.with_stopper(StopperConfiguration("target", {"target": 0.1}))
    assert set(changed.provenance["distributions"]) == {"optimizer adamw", "controller constant", "stopper target"}


def test_a_registry_of_ones_own_serves_all_of_it(tmp_path):
    registry = Registry()
    for kind, name in ((metaopt.OptimizerSpec, "sgd"), (metaopt.ControllerSpec, "constant")):
        registry.register(current_registry().get(kind, name))
    recipe = Recipe.create(Configuration("sgd"), registry=registry)
    recipe.save(tmp_path)
    assert metaopt.load_recipe(tmp_path, registry=registry).bind(nn.Linear(1, 1), registry=registry).num_steps == 0


def test_the_document_is_readable_and_records_where_it_comes_from(recipe, tmp_path):
    recipe.save(tmp_path)
    text = (tmp_path / "recipe.json").read_text()
    document = json.loads(text)
    assert text == json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert document["schema"] == 1
    assert document["plugins"]["optimizer adamw"] == "1"
    assert {"stopper any", "stopper patience", "wrapper averaged", "controller wsd"} <= set(document["plugins"])
    assert torch.__version__.startswith(document["provenance"]["libraries"]["torch"])  # without how it was built
    assert document["provenance"]["corpus"]["fingerprint"] == "00ff"
    assert len(document["theta_sha256"]) == 64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.json", "theta.safetensors"]


def test_a_recipe_prints_as_one_line():
    name = "schedulefree_adamw+muon+linear+any"
    assert repr(metaopt.load_recipe("default")) == (
        f"Recipe(name='{name}', stopper='any', theta=None, made_on='starter and development')"
    )


def test_a_recipe_with_learned_weights_prints_how_many_and_what_it_was_made_on(recipe):
    shown = repr(recipe)
    assert f"theta='{len(recipe.theta)} tensors'" in shown
    assert "\n" not in shown
    assert len(shown) <= 200


@pytest.mark.parametrize("corpus", [3, [1], {"name": ["a"] * 100}, {"name": None}])
def test_a_recipe_prints_whatever_its_provenance_says(corpus):
    assert len(repr(Recipe(Configuration("adamw"), provenance={"corpus": corpus}))) <= 200
