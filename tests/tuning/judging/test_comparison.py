import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

import metaopt
from metaopt.configuration.configuration import Configuration
from metaopt.deploy.stopping.configuration import StopperConfiguration
from metaopt.plugin.registry import current_registry
from metaopt.tuning.judging.comparison import REPORT_SEEDS, Comparison, Contender, contender_named
from metaopt.tuning.judging.contest import compare
from metaopt.tuning.judging.references import DEFAULT_BASELINE, Reference, references
from metaopt.tuning.judging.scores import Scale

FAST = Contender("recipe", Configuration("adamw", hparams={"adamw.lr": 0.1}))
SLOW = Contender("slow", Configuration("adamw", hparams={"adamw.lr": 1e-5}))
CONTENDERS = [FAST, SLOW, contender_named("sgd+cosine")]


@pytest.fixture(scope="module")
def module_evaluator():
    from metaopt.tuning.ledger.ledger import Ledger
    from metaopt.tuning.running.evaluator import Evaluator

    made = Evaluator(Ledger("sqlite://"), current_registry())
    yield made
    made.close()


@pytest.fixture
def known(module_evaluator, make_tasks):
    """Six tasks in two families with their references."""
    tasks = make_tasks(6, families=2, num_steps=10)
    return tasks, references(module_evaluator, tasks, DEFAULT_BASELINE)


@pytest.fixture
def comparison(module_evaluator, known):
    tasks, scales = known
    return compare(module_evaluator, tasks, scales, CONTENDERS)


def test_everyone_runs_on_the_same_tasks_and_seeds(comparison, known):
    tasks, _ = known
    assert comparison.contenders == ["recipe", "slow", "sgd+cosine"]
    for name in comparison.contenders:
        runs = comparison.runs[comparison.runs["contender"] == name]
        pairs = set(zip(runs["task"], runs["seed"], strict=True))
        assert pairs == {(task.name, seed) for task in tasks for seed in REPORT_SEEDS}


def test_no_race_and_no_reference_has_seen_the_seeds_of_a_report():
    from metaopt.tuning.judging.references import REFERENCE_SEEDS
    from metaopt.tuning.search.search import FINAL_SEEDS
    from metaopt.tuning.search.study import RACE_SEED

    assert not set(REPORT_SEEDS) & {RACE_SEED, *REFERENCE_SEEDS, *FINAL_SEEDS}


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
    runs_of_both = report(last_only)
    other_validation = report([swapped(task, "validation") for task in last_only])
    assert not np.isclose(runs_of_both["validation"], other_validation["validation"]).any()
    for column in ("test", "test_score", "steps"):
        assert (runs_of_both[column] == other_validation[column]).all()


def test_curves_and_times_to_target_are_those_of_the_test_split(module_evaluator, known):
    tasks, scales = known
    comparison = compare(module_evaluator, tasks[:1], scales, CONTENDERS)
    task, scale = tasks[0], scales[tasks[0].name].scale
    curves = [
        module_evaluator.curves([FAST.configuration], [task], [seed])[FAST.configuration.key, task.name, seed]
        for seed in REPORT_SEEDS
    ]
    shown = comparison.curves["recipe", task.name]
    assert len(shown) == len(task.validation_steps)
    assert shown[-1] == pytest.approx(comparison.task_scores("recipe")[task.name])
    for seed, curve in zip(REPORT_SEEDS, curves, strict=True):
        reached = [
            count for count in range(1, len(curve.steps) + 1) if curve.test_at_best(count) <= scale.test_baseline
        ]
        expected = curve.steps[reached[0] - 1] / curve.horizon if reached else np.inf
        assert comparison.targets["recipe", task.name, seed] == expected


def test_a_stopper_ends_what_is_reported(module_evaluator, known):
    tasks, scales = known
    early = dataclasses.replace(FAST, name="early", stopper=StopperConfiguration("budget", {"fraction": 0.4}))
    comparison = compare(module_evaluator, tasks, scales, [FAST, early])
    table = comparison.table().set_index("contender")
    assert table.loc["early", "steps_used"] == pytest.approx(0.4)
    assert table.loc["early", "mean_score"] <= table.loc["recipe", "mean_score"]
    for (name, task, seed), time in comparison.targets.items():
        if name == "early":
            assert time <= 0.4 or np.isinf(time)
            assert np.isinf(time) or time == comparison.targets["recipe", task, seed]


def test_nothing_runs_twice(module_evaluator, known, comparison):
    tasks, scales = known
    before = module_evaluator.spent.evaluations
    again = compare(module_evaluator, tasks, scales, CONTENDERS)
    assert module_evaluator.spent.evaluations == before
    pd.testing.assert_frame_equal(again.runs, comparison.runs)


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


def test_the_best_of_a_task_s_own_trials_can_be_shown_beside(module_evaluator, known):
    tasks, scales = known
    comparison = compare(module_evaluator, tasks, scales, CONTENDERS, tuned=20)
    assert comparison.contenders[-1] == "best of 20 random trials"
    assert comparison.task_scores("best of 20 random trials").to_dict() == pytest.approx(
        {task.name: comparison.expected[task.name][19] for task in tasks}
    )
    table = comparison.table().set_index("contender")
    assert table.loc["best of 20 random trials", "steps_used"] == 20
    assert comparison.profile("best of 20 random trials", [1.0, 4.0]) == [0.0, 0.0]
    worth = comparison.trials_worth()
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
    comparison = compare(module_evaluator, mixed, scales, [FAST, SLOW], tuned=5)
    table = comparison.table().set_index("contender")
    assert table.notna().all(axis=None)
    assert comparison.task_scores("recipe")["job"] > comparison.task_scores("slow")["job"]
    assert "job" not in comparison.expected
    assert comparison.worst_tasks()["task"].notna().all()
    assert "Recipe scores" in comparison.summary()
    for name in comparison.contenders:
        assert len(comparison.profile(name, [1.0, 4.0])) == 2


def test_the_worst_tasks_are_those_furthest_behind_the_best_other(comparison):
    worst = comparison.worst_tasks(6)
    assert worst["behind"].is_monotonic_decreasing
    assert (worst["best_other"] - worst["score"] == worst["behind"]).all()
    assert len(comparison.worst_tasks(2)) == 2
    first = worst.iloc[0]
    assert comparison.task_scores(first["by"])[first["task"]] == first["best_other"]


def test_tasks_on_which_nothing_else_ran_are_not_the_worst(module_evaluator, known):
    tasks, scales = known
    box = metaopt.BlackBoxTask("box", "boxes", train=lambda recipe, seed: iter([(1, 0.5), (2, 0.4)]))
    both = [*tasks[:2], box]
    scales = {**scales, **references(module_evaluator, [box], DEFAULT_BASELINE)}
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


def hand_made(scores):
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
            "steps": 10,
            "horizon": 10,
            "diverged": False,
        }
        for name, values in scores.items()
        for index, score in enumerate(values)
    ]
    return Comparison(pd.DataFrame(rows), {}, {}, {})


SPREAD = np.linspace(-0.2, 0.2, 12)


def test_differences_of_paired_tasks_are_surer_than_the_tasks_themselves():
    comparison = hand_made({"recipe": 5 * SPREAD + 0.1, "adamw": 5 * SPREAD})
    paired, alone = comparison.difference("adamw"), comparison.interval("adamw")
    assert paired.high - paired.low < 0.01 < alone.high - alone.low


def test_the_sentence_claims_no_more_than_the_intervals_show():
    apart = hand_made({"recipe": 1 + SPREAD, "adamw": SPREAD, "lion": 2 + SPREAD})
    assert "It is better than adamw, intervals apart." in apart.summary()
    assert "It is worse than lion, intervals apart." in apart.summary()
    paired = hand_made({"recipe": 5 * SPREAD + 0.1, "adamw": 5 * SPREAD})
    assert "Task by task it is better than adamw, though the two intervals overlap." in paired.summary()
    level = hand_made({"recipe": SPREAD, "adamw": SPREAD[::-1], "sgd": SPREAD})
    assert "Against adamw and sgd the intervals overlap: nothing is claimed." in level.summary()
    few = hand_made({"recipe": [1.0, 1.1], "adamw": [0.0, 0.1]})
    assert few.summary() == (
        "Recipe scores 1.050 (too few tasks for an interval) on 2 tasks (0 the baseline, 1 long-tuned). "
        "Too few tasks for intervals: nothing is claimed against adamw."
    )


def test_contenders_are_named_as_they_are_typed():
    assert contender_named("adamw+cosine").configuration == Configuration("adamw", "cosine")
    assert contender_named("prodigy").configuration == Configuration("prodigy", "constant")


def test_diverged_runs_are_counted_and_score_by_their_last_good_checkpoint(module_evaluator, known):
    tasks, scales = known
    wild = Contender("wild", Configuration("sgd", hparams={"sgd.lr": 1e9}))
    comparison = compare(module_evaluator, tasks[:2], scales, [FAST, wild])
    table = comparison.table().set_index("contender")
    assert table.loc["wild", "diverged"] == 2 * len(REPORT_SEEDS)
    assert -1.0 <= table.loc["wild", "mean_score"] < table.loc["recipe", "mean_score"]
    assert isinstance(scales[tasks[0].name], Reference)
    assert isinstance(scales[tasks[0].name].scale, Scale)


def test_a_comparison_prints_who_was_compared_on_how_many_tasks(comparison):
    assert repr(comparison) == (
        f"Comparison(contenders=['recipe', 'slow', 'sgd+cosine'], tasks=6, seeds={len(REPORT_SEEDS)}, over='tasks')"
    )
