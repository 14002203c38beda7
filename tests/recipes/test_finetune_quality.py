"""What the command says of recipes on fine-tunings follows from the trainings that its file holds."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are not installed

import metaopt  # noqa: E402
from benchmarks.recipes import finetune_quality, finetune_runs  # noqa: E402
from benchmarks.recipes.finetune_runs import Row, read, trained  # noqa: E402


def task_of(rate=1.0):
    """A line that is right already, so that training can only make it worse."""
    inputs = torch.linspace(-1, 1, 96)[:, None]
    splits = [metaopt.Split(part, rate * part) for part in inputs.split(32)]
    return metaopt.Task(
        "right", "lines", right, metaopt.Splits(*splits), nn.functional.mse_loss, num_steps=4, num_validations=2
    )


def right():
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, 1.0)
    nn.init.constant_(model.bias, 0.1)
    return model


def recipe_of(lr, stopper=None):
    return metaopt.Recipe.create(metaopt.Configuration("sgd", hparams={"sgd.lr": lr}), stopper)


def test_the_start_is_kept_where_nothing_is_better_and_nothing_is_trained_twice(tmp_path, monkeypatch):
    contenders = {"careful": recipe_of(0.1), "wild": recipe_of(100.0)}
    rows = trained(contenders, [task_of()], [0, 1], tmp_path / "runs.jsonl")
    assert [(row.contender, row.seed) for row in rows] == [("careful", 0), ("careful", 1), ("wild", 0), ("wild", 1)]
    assert all(row.step == (4 if row.contender == "careful" else 0) for row in rows)
    assert rows[2].test == pytest.approx(0.01)
    monkeypatch.setattr(finetune_runs, "Evaluator", None)
    with open(tmp_path / "runs.jsonl", "a", encoding="utf-8") as file:
        file.write('{"task": "cut o')
    assert trained(contenders, [task_of()], [0, 1], tmp_path / "runs.jsonl") == rows
    assert len(list(read(tmp_path / "runs.jsonl"))) == 4


def test_a_stopper_ends_a_training_that_never_beats_the_start(tmp_path):
    stopper = metaopt.StopperConfiguration("patience", {"patience": 0.5})
    (row,) = trained({"wild": recipe_of(100.0, stopper)}, [task_of()], [0], tmp_path / "runs.jsonl")
    assert (row.step, row.steps) == (0, 2)


def rows_of(losses):
    """A training for each rate of the grid and a recipe, on each of two tasks; validation losses are test losses."""
    names = [*finetune_quality.grid(), "recipe"]
    return [
        Row(task, task, name, name, 0, loss, loss, 1, 1)
        for task in ("a", "b")
        for name, loss in zip(names, losses, strict=True)
    ]


def test_a_recipe_is_worth_the_trials_whose_best_does_as_well():
    grid = [1.0, 1.0, 1.0, 1.0, 1.0, math.e**-6]
    expected = finetune_quality.expected_logs(rows_of([*grid, 1.0]), ["a", "b"])
    assert np.allclose(expected, [[-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]] * 2)
    for loss, trials in ((1.0, 1.0), (math.e**-2.5, 2.5), (math.e**-5.9999999, 6.0), (math.e**-6.5, 7.0)):
        verdict = finetune_quality.verdict(rows_of([*grid, loss]), "recipe", ["a", "b"])
        assert verdict.worth == pytest.approx(trials)
        assert verdict.interval == pytest.approx((trials, trials))


def test_tasks_behind_the_usual_rate_are_named():
    verdict = finetune_quality.verdict(rows_of([1.0] * 6 + [1.03]), "recipe", ["a", "b"])
    assert verdict.behind == ("a", "b")
    assert verdict.worst == pytest.approx(1.03)
    assert finetune_quality.verdict(rows_of([1.0] * 6 + [1.01]), "recipe", ["a", "b"]).behind == ()
