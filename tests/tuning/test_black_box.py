import math

import pytest

import metaopt
from metaopt.configuration import Configuration
from metaopt.tuning.black_box import run_black_box

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
    ],
)
def test_what_cannot_be_a_validation_is_refused_by_the_task_s_name(row, message):
    with pytest.raises(metaopt.InputError, match=message):
        run(lambda recipe, seed: row)


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
