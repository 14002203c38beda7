"""From a corpus to a recipe that drives an ordinary loop on a model that tuning never saw."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Member, train
from metaopt.inner.gradients.batches import batch_indices
from metaopt.plugin.registry import current_registry

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def digits() -> metaopt.Splits:
    images, labels = load_digits(return_X_y=True)
    inputs, targets = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels)
    bounds = ((0, 900), (900, 1300), (1300, len(inputs)))
    return metaopt.Splits(*(metaopt.Split(inputs[low:high], targets[low:high]) for low, high in bounds))


def small_tasks(digits: metaopt.Splits) -> list[metaopt.Task]:
    def task(name: str, width: int, activation: type[nn.Module]) -> metaopt.Task:
        def model() -> nn.Module:
            return nn.Sequential(nn.Linear(64, width), activation(), nn.Linear(width, 10))

        return metaopt.Task(
            name, "digits", model, digits, nn.functional.cross_entropy, num_steps=60, num_validations=6, batch_size=32
        )

    return [task("narrow", 8, nn.ReLU), task("wide", 24, nn.Tanh)]


def test_a_recipe_tuned_on_small_models_trains_a_larger_one_and_beats_the_default_rate(
    digits: metaopt.Splits, tmp_path: Path
) -> None:
    result = metaopt.tune(
        small_tasks(digits),
        n_trials=16,
        storage=f"sqlite:///{tmp_path / 'study.db'}",
        study_name="mine",
        seed=0,
        optimizers=("adamw", "lion"),
    )
    result.recipe.save(tmp_path / "mine")
    recipe = metaopt.load_recipe(tmp_path / "mine")
    baseline = metaopt.Recipe.create(Configuration("adamw", hparams={"adamw.lr": 1e-3}))
    assert loop(recipe, digits)[-1] < loop(baseline, digits)[-1]
    assert {"task", "seed", "score"} <= set(result.evaluations_dataframe().columns)


def loop(recipe: metaopt.Recipe, digits: metaopt.Splits) -> list[float]:
    """An ordinary loop on a model that no task has; returns the validation losses."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(64, 48), nn.GELU(), nn.Linear(48, 48), nn.GELU(), nn.Linear(48, 10))
    run = recipe.bind(model, total_steps=60, mode="min")
    values = []
    for step, rows in enumerate(batch_indices(len(digits.train), 32, 60, seed=7)):
        run.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(digits.train.inputs[rows]), digits.train.targets[rows])
        loss.backward()
        run.step(loss)
        if (step + 1) % 10 == 0:
            with run.evaluating(), torch.no_grad():
                value = nn.functional.cross_entropy(model(digits.validation.inputs), digits.validation.targets)
            values.append(float(value))
            if run.observe(value).stop:
                break
    run.restore_best()
    return values


@pytest.mark.parametrize(
    "configuration",
    [
        Configuration("adamw", "cosine", hparams={"adamw.lr": 0.01, "adamw.weight_decay": 0.1}),
        Configuration("adamw", "plateau", ("averaged",), {"adamw.lr": 0.01, "plateau.patience": 1}),
        Configuration("schedulefree_adamw", "wsd", hparams={"schedulefree_adamw.lr": 0.01}),
        Configuration("prodigy", "linear"),
        Configuration("sgd", "one_cycle", hparams={"sgd.lr": 0.1, "sgd.momentum": 0.9, "sgd.nesterov": True}),
    ],
    ids=lambda one: f"{one.optimizer}+{one.controller}",
)
def test_what_the_engine_recorded_is_what_a_bound_recipe_does(
    configuration: Configuration, digits: metaopt.Splits
) -> None:
    task = small_tasks(digits)[0]
    recorded = train(task, [Member(assemble(configuration, current_registry()), seed=5)])[0].curve
    model = task.build(5)
    run = metaopt.Recipe.create(configuration).bind(model, total_steps=task.num_steps)
    values = []
    for step, rows in enumerate(batch_indices(len(digits.train), task.batch_size, task.num_steps, seed=5)):
        run.optimizer.zero_grad()
        loss = task.loss(model(digits.train.inputs[rows]), digits.train.targets[rows])
        loss.backward()
        run.step(loss)
        if step + 1 in task.validation_steps:
            with run.evaluating(), torch.no_grad():
                values.append(float(task.loss(model(digits.validation.inputs), digits.validation.targets)))
            run.observe(values[-1])
    np.testing.assert_allclose(values, recorded.values, rtol=2e-4)
