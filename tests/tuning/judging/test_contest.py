"""Every contender runs on every task with fresh seeds, and the test split alone judges it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.tuning.judging.comparison import Contender
from metaopt.tuning.judging.contest import compare
from metaopt.tuning.judging.references import DEFAULT_BASELINE, Reference, references
from metaopt.tuning.judging.scores import Scale
from metaopt.tuning.seeds import REPORT_SEEDS
from tests.tuning.judging.conftest import CONTENDERS, FAST, SLOW


def test_everyone_runs_on_the_same_tasks_and_seeds(comparison, known):
    tasks, _ = known
    assert comparison.contenders == ["recipe", "slow", "sgd+cosine"]
    for name in comparison.contenders:
        runs = comparison.runs[comparison.runs["contender"] == name]
        pairs = set(zip(runs["task"], runs["seed"], strict=True))
        assert pairs == {(task.name, seed) for task in tasks for seed in REPORT_SEEDS}


def test_a_report_reads_the_test_split_and_nothing_else(module_evaluator, known):
    """Other test targets change what is reported; other validation targets only what is chosen."""
    tasks, scales = known

    def swapped(task, split):
        splits = task.splits
        targets = getattr(splits, split).targets.flip(0)
        changed = dataclasses.replace(splits, **{split: metaopt.Split(getattr(splits, split).inputs, targets)})
        return dataclasses.replace(task, data=changed)

    def report(changed):
        return compare(module_evaluator, changed, scales, CONTENDERS).runs

    plain = report(tasks)
    other_test = report([swapped(task, "test") for task in tasks])
    assert (plain["validation"] == other_test["validation"]).all()
    assert (plain["steps"] == other_test["steps"]).all()
    assert not np.isclose(plain["test"], other_test["test"]).any()

    # Where every validation sees the same choice, validation targets are no part of what is reported.
    last_only = [dataclasses.replace(task, num_validations=1) for task in tasks]
    one = report(last_only)
    other_validation = report([swapped(task, "validation") for task in last_only])
    assert not np.isclose(one["validation"], other_validation["validation"]).any()
    for column in ("test", "test_score", "steps"):
        assert (one[column] == other_validation[column]).all()


def test_curves_and_times_to_target_are_those_of_the_test_split(module_evaluator, known):
    tasks, scales = known
    found = compare(module_evaluator, tasks[:1], scales, CONTENDERS)
    task, scale = tasks[0], scales[tasks[0].name].scale
    curves = [
        module_evaluator.curves([FAST.configuration], [task], [seed])[FAST.configuration.key, task.name, seed]
        for seed in REPORT_SEEDS
    ]
    shown = found.curves["recipe", task.name]
    assert len(shown) == len(task.validation_steps)
    assert shown[-1] == pytest.approx(found.task_scores("recipe")[task.name])
    for seed, curve in zip(REPORT_SEEDS, curves, strict=True):
        reached = [
            count for count in range(1, len(curve.steps) + 1) if curve.test_at_best(count) <= scale.test_baseline
        ]
        expected = curve.steps[reached[0] - 1] / curve.horizon if reached else np.inf
        assert found.targets["recipe", task.name, seed] == expected


def test_a_stopper_ends_what_is_reported(module_evaluator, known):
    tasks, scales = known
    early = dataclasses.replace(FAST, name="early", stopper=StopperConfiguration("budget", {"fraction": 0.4}))
    found = compare(module_evaluator, tasks, scales, [FAST, early])
    table = found.table().set_index("contender")
    assert table.loc["early", "steps_used"] == pytest.approx(0.4)
    assert table.loc["early", "mean_score"] <= table.loc["recipe", "mean_score"]
    for (name, task, seed), time in found.targets.items():
        if name == "early":
            assert time <= 0.4 or np.isinf(time)
            assert np.isinf(time) or time == found.targets["recipe", task, seed]


def test_nothing_runs_twice(module_evaluator, known, comparison):
    tasks, scales = known
    before = module_evaluator.spent.evaluations
    again = compare(module_evaluator, tasks, scales, CONTENDERS)
    assert module_evaluator.spent.evaluations == before
    pd.testing.assert_frame_equal(again.runs, comparison.runs)


def test_the_best_of_a_task_s_own_trials_can_be_shown_beside(module_evaluator, known):
    tasks, scales = known
    found = compare(module_evaluator, tasks, scales, CONTENDERS, tuned=20)
    assert found.contenders[-1] == "best of 20 random trials"
    assert found.task_scores("best of 20 random trials").to_dict() == pytest.approx(
        {task.name: found.expected[task.name][19] for task in tasks}
    )
    table = found.table().set_index("contender")
    assert table.loc["best of 20 random trials", "steps_used"] == 20
    assert found.profile("best of 20 random trials", [1.0, 4.0]) == [0.0, 0.0]
    worth = found.trials_worth()
    assert worth is not None
    assert worth.pool == 32


def job(recipe, seed):
    rate = recipe.configuration.hparams.get("adamw.lr", 1e-3)
    yield 1, 1.0
    yield 2, 1.0 / (1.0 + rate)


def test_supervised_tasks_and_black_boxes_share_a_table(module_evaluator, known):
    tasks, _ = known
    mixed = [*tasks, metaopt.BlackBoxTask("job", "jobs", train=job)]
    scales = references(module_evaluator, mixed, DEFAULT_BASELINE)
    found = compare(module_evaluator, mixed, scales, [FAST, SLOW], tuned=5)
    table = found.table().set_index("contender")
    assert table.notna().all(axis=None)
    assert found.task_scores("recipe")["job"] > found.task_scores("slow")["job"]
    assert "job" not in found.expected
    assert found.worst_tasks()["task"].notna().all()
    assert "Recipe scores" in found.summary()
    for name in found.contenders:
        assert len(found.profile(name, [1.0, 4.0])) == 2


def test_diverged_runs_are_counted_and_score_by_their_last_good_checkpoint(module_evaluator, known):
    tasks, scales = known
    wild = Contender("wild", Configuration("sgd", hparams={"sgd.lr": 1e9}))
    found = compare(module_evaluator, tasks[:2], scales, [FAST, wild])
    table = found.table().set_index("contender")
    assert table.loc["wild", "diverged"] == 2 * len(REPORT_SEEDS)
    assert -1.0 <= table.loc["wild", "mean_score"] < table.loc["recipe", "mean_score"]
    assert isinstance(scales[tasks[0].name], Reference)
    assert isinstance(scales[tasks[0].name].scale, Scale)
