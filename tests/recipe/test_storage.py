"""Recipes read from the disk: as they were saved, or one sentence that says what is wrong."""

import importlib.metadata
import json
import math
import os
import re
import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn

import metaopt
from metaopt import Configuration, Recipe, StopperConfiguration
from metaopt.plugin import Registry
from metaopt.recipe import shipped_recipes
from tests.recipe.conftest import STOPPER


def document_of(folder):
    return json.loads((folder / "recipe.json").read_text())


def rewrite(folder, **changes):
    (folder / "recipe.json").write_text(json.dumps({**document_of(folder), **changes}))


def fault_of(act):
    try:
        act()
    except metaopt.MetaOptError as error:
        return error
    return None


def test_a_recipe_comes_back_as_it_was_saved(recipe, tmp_path):
    recipe.save(tmp_path / "mine")
    loaded = metaopt.load_recipe(tmp_path / "mine")
    assert loaded == recipe
    assert hash(loaded) == hash(recipe)
    assert loaded.configuration == recipe.configuration
    assert loaded.stopper == STOPPER
    assert all(torch.equal(loaded.theta[name], tensor) for name, tensor in recipe.theta.items())
    assert loaded.theta["half"].dtype == torch.bfloat16
    assert loaded.made_on == recipe.made_on
    assert metaopt.load_recipe(tmp_path / "mine" / "recipe.json") == recipe


def test_what_is_wrong_with_a_recipe_is_said_in_one_sentence(recipe, tmp_path):
    def refused(message):
        with pytest.raises(metaopt.RecipeError, match=message) as caught:
            metaopt.load_recipe(tmp_path)
        assert caught.value.exit_code == 2

    with pytest.raises(metaopt.RecipeError, match=r"No recipe at .*nowhere.*no such folder"):
        metaopt.load_recipe(tmp_path / "nowhere")
    refused(r"It holds no recipe.json")
    recipe.save(tmp_path)
    whole = (tmp_path / "recipe.json").read_bytes()

    (tmp_path / "recipe.json").write_bytes(whole[:100])
    refused(r"recipe.json' is corrupt: .*line")
    (tmp_path / "recipe.json").write_bytes(b"\xff\xfe\x00")
    refused(r"is corrupt")
    for text in ("[]", "{}", '{"schema": "one"}'):
        (tmp_path / "recipe.json").write_text(text)
        refused(r"is not a recipe: it has no schema version")
    (tmp_path / "recipe.json").write_text('{"schema": 1}')
    refused(r"is corrupt: the field 'configuration' is missing")

    def changed(**changes):
        (tmp_path / "recipe.json").write_bytes(whole)
        rewrite(tmp_path, **changes)

    changed(schema=5)
    refused(r"was written by a newer metaopt \(schema 5, this one reads up to 4\)")
    changed(colour="blue")
    refused(r"unknown fields: colour; known: configuration")
    changed(configuration={"optimizer": "adamw", "speed": 3})
    refused(r"unknown fields in configuration: speed")
    changed(configuration={"optimizer": "adamv"})
    refused(r"cannot be used here: There is no optimizer 'adamv'; did you mean 'adamw'")
    changed(stopper={"name": "patients"})
    refused(r"There is no stopper 'patients'; did you mean 'patience'")
    changed(configuration={"optimizer": "adamw", "hparams": {"adamw.lr": -1}})
    refused(r"adamw.lr must be in .* got -1")
    changed(configuration={"optimizer": "adamw", "hparams": [1]})
    refused(r"hparams must map")
    changed(configuration="adamw")
    refused(r"is corrupt|unknown fields")
    changed(made_on={"parameters": [10, 1]})
    refused(r"made_on.parameters must be two positive whole numbers")


def test_weights_that_do_not_belong_to_the_document_are_refused(recipe, tmp_path):
    recipe.save(tmp_path)
    weights = (tmp_path / "theta.safetensors").read_bytes()
    (tmp_path / "theta.safetensors").write_bytes(weights[:-1] + b"\x00")
    with pytest.raises(metaopt.RecipeError, match=r"are not those that recipe.json was saved with"):
        metaopt.load_recipe(tmp_path)
    (tmp_path / "theta.safetensors").unlink()
    with pytest.raises(metaopt.RecipeError, match=r"theta.safetensors' cannot be read: No such file"):
        metaopt.load_recipe(tmp_path)


def test_another_version_of_a_plugin_is_announced(recipe, tmp_path):
    recipe.save(tmp_path)
    rewrite(tmp_path, plugins={**recipe.plugins, "controller wsd": "0"})
    with pytest.warns(UserWarning, match=r"version 0 of the controller 'wsd', installed is version 1"):
        metaopt.load_recipe(tmp_path)


def test_recipes_that_ship_are_found_by_name(recipe, tmp_path, monkeypatch):
    shelf = tmp_path / "package"
    recipe.save(shelf / "recipes" / "shipped")
    monkeypatch.setattr("metaopt.recipe.storage.files", lambda package: shelf)
    assert shipped_recipes() == ["shipped"]
    monkeypatch.chdir(tmp_path)
    replace(recipe, theta=None).save("shipped")
    assert metaopt.load_recipe("shipped") == recipe
    assert metaopt.load_recipe("./shipped").theta is None
    with pytest.raises(metaopt.RecipeError, match=r"did you mean 'shipped'\? By name there are: shipped"):
        metaopt.load_recipe("unshipped")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("configuration", None, "is corrupt: configuration must be an object {...}, got None"),
        ("configuration", {"optimizer": "adamw", "hparams": [1]}, "is not valid: hparams must map"),
        ("configuration", {"optimizer": "adamw", "wrappers": "averaged"}, "wrappers must be a list of names"),
        ("configuration", {"optimizer": None}, "looked up by its name, a string, got None"),
        ("stopper", "patience", "is corrupt: stopper must be an object"),
        ("stopper", {"name": "any", "stoppers": ["patience"]}, "described by an object with its name, got 'patience'"),
        ("plugins", [], "is corrupt: plugins must be an object"),
        ("made_on", {"horizon": "10"}, "is not valid: made_on.horizon must be two positive whole numbers"),
        ("num_validations", "five", "num_validations must be a positive whole number, got 'five'"),
        ("num_validations", -5, "is not valid: num_validations must be a positive whole number, got -5"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(recipe, tmp_path, field, value, sentence):
    recipe.save(tmp_path)
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), field: value}))
    with pytest.raises(metaopt.RecipeError, match=re.escape(sentence)) as caught:
        metaopt.load_recipe(tmp_path)
    assert str(file) in str(caught.value)


def test_a_recipe_whose_plugin_is_not_installed_says_where_it_came_from(tmp_path):
    Recipe.create(Configuration("adamw", "cosine"), StopperConfiguration("patience")).save(tmp_path)
    without = Registry.discover(restriction=["optimizers"])
    version = importlib.metadata.version("metaopt-torch")
    sentence = f"When the recipe was made, controller cosine came from metaopt-torch {version}, stopper patience came"
    with pytest.raises(metaopt.RecipeError, match=re.escape(sentence)):
        metaopt.load_recipe(tmp_path, registry=without)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
@pytest.mark.parametrize("name", ["theta.safetensors", "recipe.json"])
def test_what_is_no_file_is_refused_and_replaced(recipe, tmp_path, make, name):
    recipe.save(tmp_path)
    (tmp_path / name).unlink()
    make(tmp_path / name)
    with pytest.raises(metaopt.RecipeError, match=rf"{name}' cannot be read|It holds no {name}"):
        metaopt.load_recipe(tmp_path)
    if make is not os.mkdir:
        recipe.save(tmp_path)
        assert metaopt.load_recipe(tmp_path) == recipe


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.float8_e4m3fn])
def test_weights_of_another_dtype_are_refused_by_name(tmp_path, dtype):
    shipped = metaopt.load_recipe("mlp_lopt")
    replace(shipped, theta={name: tensor.to(dtype) for name, tensor in shipped.theta.items()}).save(tmp_path)
    with pytest.raises(metaopt.InputError, match=f"are {str(dtype)[6:]}, and a learned rule takes float32"):
        metaopt.load_recipe(tmp_path).bind(nn.Linear(2, 1), total_steps=10)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_refused(recipe, tmp_path, value):
    replace(recipe, theta={**recipe.theta, "half": torch.tensor([1.0, value]).bfloat16()}).save(tmp_path)
    with pytest.raises(metaopt.RecipeError, match=r"The weights 'half' in .* hold numbers that are not finite"):
        metaopt.load_recipe(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"configuration": {"optimizer": "adamw", "hparams": {"adamw.lr": 10**400}}},
        {"configuration": {"optimizer": "adamw", "hparams": {"adamw.lr": -(10**400)}}},
        {"configuration": {"optimizer": "averaged" * 1000}},
        {"configuration": {"optimizer": "adamw", "hparams": {"x" * 5000: 1}}},
        {"configuration": {"optimizer": "adamw", "hparams": {"adamw.lr": ["deep " * 1000]}}},
        {"configuration": {"optimizer": "adamw", "wrappers": ["x" * 5000]}},
        {"configuration": {"optimizer": "adamw", "wrappers": 3}},
        {"configuration": {"optimizer": "adamw", "no_decay": "1" * 5000}},
        {"configuration": {"optimizer": ["adamw"]}},
        {"stopper": {"name": "patience", "hparams": {"patience": 10**400}}},
        {"stopper": {"name": "any", "stoppers": [{"x" * 5000: 1}]}},
        {"stopper": {"name": "any", "stoppers": 3}},
        {"num_validations": 10**400},
        {"num_validations": "n" * 5000},
        {"made_on": {"parameters": [1, 10**400]}},
        {"made_on": {"loss": [0, 10**400]}},
        {"made_on": {"dtypes": 3}},
        {"made_on": {"dtypes": ["\ud800"]}},
        {"theta_sha256": 3},
        {"theta_sha256": "../" * 30},
        {"theta_sha256": "0" * 5000},
        {"schema": 10**400},
        {"plugins": {"optimizer adamw": "v" * 5000}},
        {"x" * 5000: 1},
    ],
)
def test_hostile_fields_end_in_one_short_sentence_or_do_no_harm(recipe, tmp_path, changes):
    replace(recipe, theta=None).save(tmp_path)
    rewrite(tmp_path, **changes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem = fault_of(lambda: metaopt.load_recipe(tmp_path).bind(nn.Linear(2, 1), total_steps=10))
    assert problem is None or (problem.exit_code == 2 and len(str(problem)) < 500 and "\n" not in str(problem))
