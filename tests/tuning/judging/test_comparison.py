"""Tables, intervals and sentences of a comparison."""

import itertools

import numpy as np
import pandas as pd
import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.judging.comparison import Comparison, contender_named
from metaopt.tuning.judging.contest import compare
from metaopt.tuning.judging.references import DEFAULT_BASELINE, references
from metaopt.tuning.seeds import REPORT_SEEDS
from tests.tuning.judging.conftest import CONTENDERS, FAST


def test_the_better_one_is_ahead_task_by_task(comparison):
    table = comparison.table().set_index("contender")
    assert table.loc["recipe", "mean_score"] > table.loc["slow", "mean_score"]
    assert table.loc["slow", "tasks_lost_to_it"] == 0
    assert table.loc["slow", "gain_low"] > 0
    assert table.loc["recipe", "recipe_gain"] == 0
    assert (table["low"] <= table["mean_score"]).all()
    assert (table["mean_score"] <= table["high"]).all()
    assert (table["steps_used"] == 1.0).all()


def test_differences_are_paired_by_task(comparison):
    scores = {name: comparison.task_scores(name) for name in comparison.contenders}
    paired = comparison.difference("slow", "recipe")
    assert paired.value == pytest.approx((scores["recipe"] - scores["slow"]).mean())


def test_the_profile_rises_and_ends_with_those_that_are_ever_as_good(comparison):
    taus = [1.0, 1.5, 2.0, 4.0, 1e9]
    for name in comparison.contenders:
        shares = comparison.profile(name, taus)
        assert all(earlier <= later for earlier, later in itertools.pairwise(shares))
        mine = [time for (contender, _, _), time in comparison.targets.items() if contender == name]
        assert shares[-1] == pytest.approx(np.mean(np.isfinite(mine)))
    fastest = sum(comparison.profile(name, [1.0])[0] for name in comparison.contenders)
    assert fastest >= np.mean(
        [
            any(np.isfinite(comparison.targets[name, task, seed]) for name in comparison.contenders)
            for task in comparison.tasks
            for seed in REPORT_SEEDS
        ]
    )


def test_the_worst_tasks_are_those_furthest_behind_the_best_other(comparison):
    worst = comparison.worst_tasks(6)
    assert worst["behind"].is_monotonic_decreasing
    assert (worst["best_other"] - worst["score"] == worst["behind"]).all()
    assert len(comparison.worst_tasks(2)) == 2
    first = worst.iloc[0]
    assert comparison.task_scores(first["by"])[first["task"]] == first["best_other"]


def test_tasks_on_which_nothing_else_ran_are_not_the_worst(module_evaluator, known):
    tasks, _ = known
    box = metaopt.BlackBoxTask("box", "boxes", train=lambda recipe, seed: iter([(1, 0.5), (2, 0.4)]))
    both = [*tasks[:2], box]
    scales = references(module_evaluator, [*tasks, box], DEFAULT_BASELINE)
    comparison = compare(module_evaluator, both, scales, [FAST], tuned=3)
    assert set(comparison.worst_tasks()["task"]) == {tasks[0].name, tasks[1].name}
    alone = compare(module_evaluator, [box], scales, [FAST], tuned=3)
    assert alone.worst_tasks().empty


def test_parts_on_disjoint_tasks_are_merged_into_one(module_evaluator, known, comparison):
    tasks, scales = known
    parts = [compare(module_evaluator, some, scales, CONTENDERS) for some in (tasks[:2], tasks[2:])]
    merged = Comparison.merged(parts)
    pd.testing.assert_frame_equal(merged.table(), comparison.table())
    assert merged.families() == comparison.families()
    assert set(merged.curves) == set(comparison.curves)
    assert merged.summary() == comparison.summary()


def hand_made(scores, expected=(), **fields):
    """A comparison with these test scores: contender → one a task."""
    rows = [
        {
            "contender": name,
            "task": f"t{index}",
            "family": "f",
            "seed": 0,
            "test": 0.0,
            "test_score": score,
            "validation": 0.0,
            "validation_score": score,
            "steps": 10,
            "horizon": 10,
            "diverged": False,
        }
        for name, values in scores.items()
        for index, score in enumerate(values)
    ]
    return Comparison(pd.DataFrame(rows), {}, dict(expected), {}, **fields)


SPREAD = np.linspace(-0.2, 0.2, 12)


def test_differences_of_paired_tasks_are_surer_than_the_tasks_themselves():
    comparison = hand_made({"recipe": 5 * SPREAD + 0.1, "adamw": 5 * SPREAD})
    paired, alone = comparison.difference("adamw"), comparison.interval("adamw")
    assert paired.high - paired.low < 0.01 < alone.high - alone.low


def test_contenders_are_named_as_they_are_typed():
    assert contender_named("adamw+cosine").configuration == Configuration("adamw", "cosine")
    assert contender_named("prodigy").configuration == Configuration("prodigy", "constant")
