import math
import sys

import numpy as np
import pytest
import torch

import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.running.black_box import run_black_box

CONFIGURATION = Configuration("adamw", "cosine", hparams={"adamw.lr": 0.01})


def run(train, **fields):
    task = metaopt.BlackBoxTask("job", "jobs", train=train, **fields)
    return run_black_box(task, CONFIGURATION, seed=3)


def test_the_function_gets_the_recipe_and_the_seed_and_its_values_become_a_curve():
    seen = []

    def train(recipe, seed):
        seen.append((recipe.configuration, seed))
        yield 10, 0.5
        yield 20, 0.25

    curve = run(train)
    assert seen == [(CONFIGURATION, 3)]
    assert curve.steps.tolist() == [10, 20]
    assert curve.values.tolist() == [0.5, 0.25]
    assert curve.test is None
    assert curve.horizon == 20


def test_a_metric_that_is_better_when_higher_is_turned_round_and_test_values_with_it():
    curve = run(lambda recipe, seed: iter([(1, 0.6, 0.5), (2, 0.9, 0.8)]), mode="max", num_steps=50)
    assert curve.values.tolist() == [-0.6, -0.9]
    assert curve.test is not None
    assert curve.test_at_best() == -0.8
    assert curve.horizon == 50


def test_a_list_will_do_and_test_values_may_come_late():
    curve = run(lambda recipe, seed: [(0, 1.0), (5, 0.5, 0.6)])
    assert curve.test is not None
    assert math.isnan(curve.test[0])
    assert curve.test_at_best() == 0.6


@pytest.mark.parametrize("rows", [[], [(1, math.nan)], [(1, 0.5), (2, math.inf)]], ids=["nothing", "NaN", "infinity"])
def test_a_run_without_finite_values_counts_as_diverged(rows):
    assert run(lambda recipe, seed: rows).diverged


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.5], r"'job' must yield \(step, value\) or \(step, value, test value\), got 0.5"),
        ([(1,)], r"must yield \(step, value\) .* got \(1,\)"),
        ([(1, "good")], r"must yield \(step, value\) .* got \(1, 'good'\)"),
        ([(1, 0.5), (1, 0.4)], r"'job' must yield increasing steps, got 1 after 1"),
        ([(0.5, 0.4)], r"'job' must yield whole numbers of steps, got 0.5; count steps, not epochs"),
        ([(math.nan, 0.4)], r"'job' must yield whole numbers of steps, got nan"),
        ([(-1, 0.4)], r"'job' must yield increasing steps, got -1; the first is 0 or later"),
        ([(1, 0.4), None, (2, 0.3)], r"must yield \(step, value\) .* got None"),
        ([metaopt.Decision(stop=True)], r"must yield \(step, value\) .* got Decision\(stop=True"),
        ([(1, metaopt.Decision(stop=False))], r"must yield \(step, value\) .* got \(1, Decision"),
        (["12"], r"must yield \(step, value\) .* got '12'"),
        ([b"12"], r"must yield \(step, value\) .* got b'12'"),
        ([{1: 0.5, 2: 0.4}], r"must yield \(step, value\) .* got \{1: 0.5"),
        ([(1, "0.5")], r"must yield \(step, value\) .* got \(1, '0.5'\)"),
        ([(1, True)], r"must yield \(step, value\) .* got \(1, True\)"),
        ([(1, torch.tensor(True))], r"must yield \(step, value\) .* got \(1, tensor\(True\)\)"),
        ([(1, torch.zeros(2))], r"must yield \(step, value\) .* got \(1, tensor"),
        ([(1, 10**400)], r"must yield \(step, value\) .* got \(1, 1000"),
        ([(1, 1 + 2j)], r"must yield \(step, value\) .* got \(1, \(1\+2j\)\)"),
        (None, r"'job' must yield \(step, value\), and its train function returned None; use yield"),
        (0.5, r"'job' must yield \(step, value\), and its train function returned 0.5; use yield"),
    ],
)
def test_what_cannot_be_a_validation_is_refused_by_the_task_s_name(row, message):
    with pytest.raises(metaopt.InputError, match=message):
        run(lambda recipe, seed: row)


def test_a_message_quotes_little_of_what_was_yielded():
    with pytest.raises(metaopt.InputError) as caught:
        run(lambda recipe, seed: [("x" * 10_000, 0.5)])
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", [torch.tensor, np.float32, lambda value: torch.tensor(value, dtype=torch.bfloat16)])
def test_tensors_and_numpy_s_numbers_are_numbers(kind):
    curve = run(lambda recipe, seed: [(np.int64(1), kind(0.5)), (torch.tensor(2), kind(0.25))])
    assert curve.steps.tolist() == [1, 2]
    assert curve.values.tolist() == [0.5, 0.25]


def nothing(recipe, seed):
    yield from ()


def never_finite(recipe, seed):
    yield from ((step, (math.nan, math.inf, -math.inf)[step % 3]) for step in range(1, 4))


CHOICE = {"n_trials": 2, "optimizers": ["sgd"], "controllers": ["constant"], "wrappers": [], "against": []}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("train", [nothing, never_finite])
@pytest.mark.parametrize("company", [False, True], ids=["alone", "beside another"])
def test_a_job_that_never_yields_a_finite_value_is_an_error(train, mode, company, make_task):
    job = metaopt.BlackBoxTask("job", "jobs", train=train, mode=mode, num_steps=4)
    tasks = [*([make_task()] if company else []), job]
    for attempt in (
        lambda: metaopt.tune(tasks, **CHOICE),
        lambda: metaopt.evaluate(metaopt.Recipe.create(CONFIGURATION), tasks, against=[]),
    ):
        with pytest.raises(metaopt.InputError, match=r"'job' yields no finite value with the baseline \(adamw\)"):
            attempt()


def test_candidates_none_of_which_stays_finite_make_no_recipe():
    def train(recipe, seed):
        yield 1, 0.5 if recipe.configuration.optimizer == "adamw" else math.nan

    with pytest.raises(metaopt.InputError, match=r"No candidate of the study 'metaopt' stayed finite"):
        metaopt.tune([metaopt.BlackBoxTask("job", "jobs", train=train)], **CHOICE)


def test_a_job_that_yields_nothing_on_some_seeds_is_tuned_and_those_runs_count_as_diverged():
    def train(recipe, seed):
        if seed % 2 == 0:
            yield from ((step, 1.0 / step) for step in (1, 2, 3))

    result = metaopt.tune([metaopt.BlackBoxTask("job", "jobs", train=train, num_steps=3)], **CHOICE)
    runs = result.tuning_comparison.runs
    assert runs.loc[runs["seed"] % 2 == 1, "diverged"].all()
    assert not runs.loc[runs["seed"] % 2 == 0, "diverged"].any()


def test_a_function_that_exits_ends_no_study_in_silence():
    with pytest.raises(metaopt.InputError, match=r"failed in its train function: SystemExit: 0"):
        run(lambda recipe, seed: sys.exit(0))


def test_a_function_that_raises_is_named_with_its_error():
    def at_once(recipe, seed):
        raise OSError("no such file: data.bin")

    def later(recipe, seed):
        yield 1, 0.5
        raise ZeroDivisionError("division by zero")

    with pytest.raises(
        metaopt.InputError, match=r"'job' failed in its train function: OSError: no such file"
    ) as caught:
        run(at_once)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.exit_code == 2
    with pytest.raises(metaopt.InputError, match=r"failed in its train function: ZeroDivisionError"):
        run(later)


def test_the_function_gets_its_own_hyperparameters_by_name_those_that_are_absent_at_their_defaults():
    def train(recipe, seed, width, depth):
        assert recipe.values == {"width": width, "depth": depth}
        yield 1, width + depth

    space = {"width": metaopt.Int(1, 9, default=3), "depth": metaopt.Int(1, 9, default=2)}
    task = metaopt.BlackBoxTask("job", "jobs", train=train, space=space)
    configuration = Configuration("adamw", values={"width": 5, "of_others": 7})
    assert run_black_box(task, configuration, seed=0).values.tolist() == [7]
