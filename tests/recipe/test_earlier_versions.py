"""Recipes and checkpoints that an earlier metaopt wrote load, and training goes on to the numbers that it came to."""

import gzip
import importlib.util
import json
from pathlib import Path

import pytest
import torch

import metaopt

FIXTURE = Path(__file__).parents[1] / "fixtures" / "before_house"
CONTINUED = json.loads((FIXTURE / "continued.json").read_text())


@pytest.fixture(scope="module")
def before():
    """The script that made the files: the model, its batches and the loop."""
    spec = importlib.util.spec_from_file_location("before_house_make", FIXTURE / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def resumed(name, before):
    """Model and run, continued from the checkpoint of that name."""
    with gzip.open(FIXTURE / f"{name}.pt.gz") as file:
        checkpoint = torch.load(file, weights_only=True)
    model = before.small_model()
    model.load_state_dict(checkpoint["model"])
    recipe = metaopt.load_recipe(FIXTURE / "recipes" / name)
    run = recipe.bind(model, total_steps=before.TOTAL, implementation=before.RUNS[name]["implementation"])
    run.load_state_dict(checkpoint["run"])
    return model, run


@pytest.mark.parametrize("name", [name for name in CONTINUED if name != "meta_sgd"])
def test_a_run_goes_on_from_its_checkpoint_as_it_went_on_then(name, before):
    model, run = resumed(name, before)
    assert run.num_steps == before.SAVED
    log, then = before.train(run, model, before.SAVED, before.TOTAL), CONTINUED[name]
    for key in ("losses", "metrics", "rates"):
        assert log[key] == pytest.approx(then[key], rel=1e-6, abs=1e-9), key
    assert log["stops"] == then["stops"]
    assert [step for step, _ in log["best"]] == [step for step, _ in then["best"]]
    assert [value for _, value in log["best"]] == pytest.approx([value for _, value in then["best"]], rel=1e-6)


@pytest.mark.parametrize("name", [name for name in CONTINUED if name != "meta_sgd"])
def test_its_best_weights_are_those_of_then(name, before):
    model, run = resumed(name, before)
    best = run.best_value
    run.restore_best()
    inputs, targets = before.batch(1000)
    with run.evaluating(), torch.no_grad():
        assert torch.nn.functional.mse_loss(model(inputs), targets).item() == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("name", CONTINUED)
def test_a_recipe_is_equal_to_itself_saved_again(name, tmp_path):
    recipe = metaopt.load_recipe(FIXTURE / "recipes" / name)
    recipe.save(tmp_path)
    document = json.loads((FIXTURE / "recipes" / name / "recipe.json").read_text())
    assert json.loads((tmp_path / "recipe.json").read_text()) == document
    assert metaopt.load_recipe(tmp_path) == recipe


def test_a_recipe_with_theta_adapts_a_model_as_it_did_then(before):
    recipe = metaopt.load_recipe(FIXTURE / "recipes" / "meta_sgd")
    inputs, targets = before.waves()
    predictor = metaopt.adapt(before.small_wave_model(), recipe, (inputs, targets), num_steps=3)
    then = CONTINUED["meta_sgd"]
    assert predictor.losses == pytest.approx(then["losses"], rel=1e-6)
    assert predictor(inputs).flatten().tolist() == pytest.approx(then["outputs"], rel=1e-6, abs=1e-6)
