"""`metaopt.meta_train`: from tasks to a recipe with weights, and what that says of where they come from."""

import dataclasses
import warnings
from dataclasses import replace

import pytest
import torch

import metaopt
from metaopt.meta.meta_training import learned_recipe
from metaopt.meta.state import MetaTrained
from metaopt.plugin.registry import current_registry
from tests.meta.conftest import SometimesBroken, blob_task, learned, small_waves


def test_gradients_that_are_not_finite_are_left_out_counted_and_said():
    task = replace(blob_task(), episodes=SometimesBroken(4))
    with pytest.warns(RuntimeWarning, match="10 of 40 iterations were left out"):
        result = metaopt.meta_train("maml", task, compile="off")
    assert result.skipped == 10
    assert all(bool(one.isfinite().all()) for one in result.recipe.theta.values())


@pytest.mark.slow
def test_meta_training_notes_where_losses_begin(tmp_path):
    task = dataclasses.replace(metaopt.load_corpus("starter")["digits_mlp"], num_steps=50)
    recipe = metaopt.meta_train("mlp_lopt", [task], num_iterations=1, compile="off").recipe
    low, high = recipe.made_on.loss
    assert low == high == pytest.approx(2.3, abs=0.1), "the logarithm of ten classes"
    assert recipe.made_on.batch_size == (64, 64)
    recipe.save(tmp_path / "one")
    assert metaopt.load_recipe(tmp_path / "one").made_on == recipe.made_on


def test_black_boxes_cannot_be_learned_from():
    def train(recipe, seed):
        yield 1, 0.0

    with pytest.raises(metaopt.InputError, match="'train' is a black box: no gradient passes through it"):
        metaopt.meta_train("maml", [train])


def meta_trained(spec, corpus, hparams=None, **settings):
    return metaopt.meta_train(spec, corpus, hparams, compile="off", **settings)


def test_the_recipe_is_the_rule_with_weights_and_says_what_they_were_learned_from():
    task = small_waves(num_iterations=3, num_evaluated=4, num_steps=2)
    result = meta_trained("maml", metaopt.Corpus("waves", (task,)), {"lr": 0.02}, seed=5)
    recipe = result.recipe
    assert recipe.configuration.optimizer == "maml"
    assert recipe.configuration.hparams == {"maml.lr": 0.02}
    assert recipe.theta.keys() == {f"start.{name}" for name, _ in task.build(0).named_parameters()}
    assert (recipe.made_on.horizon, recipe.made_on.batch_size) == ((2, 2), None)
    assert recipe.made_on.parameters == (1761, 1761), "of an MLP 1-40-40-1"
    corpus, told = recipe.provenance["corpus"], recipe.provenance["meta_training"]
    assert (corpus["name"], corpus["tasks"]) == ("waves", [task.name])
    assert (told["iterations"], told["inner_steps"], told["seed"], told["skipped"]) == (3, [2], 5, 0)
    assert result.curves[task.name].steps.tolist() == [2, 3]


def test_losses_and_validations_are_reported_to_a_logger():
    events = []
    task = small_waves(num_iterations=4, num_evaluated=2, num_validations=2)
    result = meta_trained("maml", task, watch=events.append)
    assert {event.source for event in events} == {"meta_train"}
    steps = [event for event in events if event.kind == "step"]
    assert [event.step for event in steps][-1] == 4
    assert all(event.numbers["loss"] > 0 and event.numbers["gradient_norm"] > 0 for event in steps)
    validations = [(event.step, event.numbers["metric"]) for event in events if event.kind == "validation"]
    (curve,) = result.curves.values()
    assert validations == [(step, pytest.approx(value)) for step, value in zip(curve.steps, curve.values, strict=True)]


def test_the_number_of_iterations_may_be_given_instead_of_the_tasks_own():
    result = meta_trained("maml", small_waves(num_evaluated=4, num_validations=1), num_iterations=2)
    assert result.recipe.provenance["meta_training"]["iterations"] == 2
    assert [curve.steps.tolist() for curve in result.curves.values()] == [[2]]


def test_hyperparameters_of_controller_and_rule_may_be_given_together():
    settings = {"lr": 0.1, "cosine.final_ratio": 0.25}
    task = small_waves(num_iterations=1, num_evaluated=2, num_validations=1)
    configuration = meta_trained("maml", task, settings, controller="cosine").recipe.configuration
    assert configuration.controller == "cosine"
    assert configuration.hparams == {"maml.lr": 0.1, "cosine.final_ratio": 0.25}


def test_a_spec_may_be_given_in_place_of_a_name_and_is_known_by_it_afterwards():
    known = current_registry().get(metaopt.OptimizerSpec, "maml")
    spec = replace(known, name="my_start", summary="Mine.")
    task = small_waves(num_iterations=1, num_evaluated=2, num_validations=1)
    assert meta_trained(spec, task).recipe.configuration.optimizer == "my_start"
    assert current_registry().get(metaopt.OptimizerSpec, "my_start") is spec


def test_tasks_of_several_sizes_are_a_range():
    small, large = blob_task(num_steps=2), replace(small_waves(num_steps=4), batch_size=8)
    theta = {"start.w": torch.zeros(1)}
    trained = MetaTrained(theta, {}, [], 0, 1.24)
    recipe = learned_recipe(learned("maml").configuration, trained, [small, large], current_registry(), 0)
    assert recipe.made_on.parameters == (165, 1761)
    assert recipe.made_on.horizon == (2, 4)
    assert recipe.made_on.batch_size is None, "of one of them it is not known"
    assert recipe.made_on.loss[0] < recipe.made_on.loss[1]
    assert recipe.provenance["meta_training"]["seconds"] == 1.2


def test_nothing_is_said_where_no_iteration_was_left_out():
    trained = MetaTrained({"start.w": torch.zeros(1)}, {}, [], 0, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learned_recipe(learned("maml").configuration, trained, [blob_task()], current_registry(), 0)
    with pytest.warns(RuntimeWarning, match="3 of 40 iterations were left out, for their meta-gradient was not finite"):
        learned_recipe(learned("maml").configuration, replace(trained, skipped=3), [blob_task()], current_registry(), 0)
