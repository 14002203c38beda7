"""The learned optimizer that ships: usable by name, watched by its recipe, and better than what it began as."""

import dataclasses

import pytest
import torch

import metaopt
from metaopt.configuration import Configuration
from metaopt.plugin.registry import current_registry

STEPS = 150


def task_of(name):
    return dataclasses.replace(metaopt.load_corpus("starter")[name], metric=None, mode="min")


def trained(optimizer, task, model, schedule=lambda: None, wants_loss=False):
    """Mean training loss over the last third of a run."""
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(STEPS):
        rows = torch.randint(len(task.splits.train.inputs), (task.batch_size,), generator=generator)
        optimizer.zero_grad()
        loss = task.loss(model(task.splits.train.inputs[rows]), task.splits.train.targets[rows])
        loss.backward()
        optimizer.step(**({"loss": loss} if wants_loss else {}))
        schedule()
        losses.append(float(loss.detach()))
    return sum(losses[-STEPS // 3 :]) / (STEPS // 3)


# None of these is a task that the weights were made on.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits_deep_tanh", "iris_mlp", "sinusoid_tanh", "gru_parity"])
def test_by_name_it_trains_models_that_it_has_never_seen(name):
    task = task_of(name)
    model = task.build(0)
    first = float(task.loss(model(task.splits.train.inputs), task.splits.train.targets).detach())
    assert trained(metaopt.create_optimizer("mlp_lopt", model), task, model) < 0.7 * first


def test_by_name_and_by_recipe_it_has_the_same_weights():
    recipe = metaopt.load_recipe("mlp_lopt")
    optimizer = metaopt.create_optimizer("mlp_lopt", torch.nn.Linear(2, 1))
    assert set(recipe.theta) == set(optimizer.theta)
    assert all(torch.equal(value, optimizer.theta[name]) for name, value in recipe.theta.items())


def test_its_recipe_says_where_it_comes_from():
    recipe = metaopt.load_recipe("mlp_lopt")
    made_by, curves = recipe.provenance["made_by"], recipe.provenance["curves"]
    assert made_by["script"] == "benchmarks/learned_weights.py"
    assert set(curves) == set(recipe.provenance["corpus"]["tasks"])
    assert all(len(one["train"]) == len(one["iterations"]) for one in curves.values())
    assert recipe.made_on.horizon is not None


def test_weights_of_ones_own_come_first():
    meta = current_registry().get(metaopt.OptimizerSpec, "mlp_lopt").meta
    values = {name: one.default for name, one in meta.full_space.items()}
    theta = meta.init_theta({}, torch.Generator().manual_seed(5), values)
    optimizer = metaopt.create_optimizer("mlp_lopt", torch.nn.Linear(2, 1), theta=theta)
    assert all(torch.equal(value, optimizer.theta[name]) for name, value in theta.items())


def test_rules_that_ship_no_weights_still_ask_for_them():
    with pytest.raises(metaopt.InputError, match="'celo' is a learned rule and has no weights here"):
        metaopt.create_optimizer("celo", torch.nn.Linear(2, 1), total_steps=5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["learned_schedule", "hyper_controller"])
@pytest.mark.parametrize("task_name", ["digits_deep_tanh", "two_spirals_tanh", "sinusoid_plane_gelu"])
def test_a_learned_schedule_trains_faster_than_what_it_is_around(name, task_name):
    """NadamW at its defaults under cosine, from one start and with one sequence of batches."""
    task, recipe = task_of(task_name), metaopt.load_recipe(name)
    found = []
    for one in (recipe, dataclasses.replace(recipe, configuration=Configuration("nadamw", "cosine"), theta=None)):
        model = task.build(0)
        run = one.bind(model, total_steps=STEPS)
        found.append(trained(run.optimizer, task, model, run.scheduler.step, wants_loss=one is recipe))
    assert found[0] < 0.8 * found[1]


@pytest.mark.parametrize("name", ["learned_schedule", "hyper_controller"])
def test_a_learned_schedule_goes_around_any_rule_with_the_weights_of_its_recipe(name):
    recipe = metaopt.load_recipe(name)
    optimizer = metaopt.create_optimizer("lion", torch.nn.Linear(2, 1), wrappers=[name], total_steps=10)
    assert all(torch.equal(value, optimizer.theta[key]) for key, value in recipe.theta.items())
    assert recipe.provenance["made_by"]["wrapper"] == name
