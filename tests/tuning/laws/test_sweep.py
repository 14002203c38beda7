"""A sweep finds the best rate of each task of a ladder, and a law follows from these."""

from dataclasses import replace

import numpy as np
import pytest

from metaopt import Configuration, RateLaw
from metaopt.tuning.laws.sweep import OCTAVES, ladder, lowest, sweep_trainings, with_fitted_law


def test_the_lowest_point_of_a_parabola_is_found_between_rates():
    assert lowest([(octave - 0.3) ** 2 for octave in OCTAVES]) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("values", "place"),
    [([1, 2, 3, 4, 5], -2), ([5, 4, 3, 2, 1], 2), ([np.nan, 3, 2, np.nan, np.inf], 0), ([1, 1, 1, 1, 1], -2)],
)
def test_at_an_end_or_beside_a_divergence_it_is_the_rate_itself(values, place):
    assert lowest(values) == place


def climbing(make_task, families):
    return [make_task(f"{name}{steps}", name, num_steps=steps) for name in families for steps in (10, 40)]


def test_a_ladder_is_what_varies_fourfold_within_a_family(make_task):
    steps = climbing(make_task, "abc")
    others = [make_task("d10", "d", num_steps=10), make_task("d30", "d", num_steps=30)]
    assert ladder([*steps, *others]) == steps
    assert sweep_trainings([*steps, *others]) == 24


def test_two_families_are_no_ladder_for_none_could_be_left_out(make_task):
    assert ladder(climbing(make_task, "ab")) == []


def test_a_law_is_fitted_on_a_ladder_and_its_lr_follows(make_task, evaluator):
    tasks = [
        make_task(f"{family}{steps}", family, seed=place, num_steps=steps)
        for place, family in enumerate("abc")
        for steps in (8, 32, 128)
    ]
    start = Configuration("adamw", "linear", hparams={"adamw.lr": 0.02}, rate_law={"adamw": RateLaw(0.0, 0.0, 0.0)})
    changed, found = with_fitted_law(start, tasks, evaluator)
    own = found["adamw"]
    # Longer trainings of a quadratic want smaller rates, so that the flat law loses.
    assert own.wins
    assert own.law.total_steps > 0.05
    assert own.law.parameters == own.law.batch_size == 0
    assert changed.rate_law["adamw"] == own.law
    assert changed.hparams["adamw.lr"] == pytest.approx(0.02 * 2**own.shift)
    again, _ = with_fitted_law(start, tasks, evaluator)
    assert again == changed


def test_without_a_ladder_or_a_rate_nothing_is_trained(make_task, evaluator):
    tasks = [make_task("one", "a", num_steps=10)]
    start = Configuration("adamw")
    assert with_fitted_law(start, tasks, evaluator) == (start, {})
    tasks = climbing(make_task, "abc")
    for factor in (Configuration("prodigy"), Configuration("sgd", wrappers=("dog",)), Configuration("sgd", "polyak")):
        assert with_fitted_law(factor, tasks, evaluator) == (factor, {})
    assert evaluator.spent.evaluations == 0
    assert replace(start) == start


def test_a_ladder_on_which_all_rates_diverge_tells_nothing(make_task, evaluator):
    tasks = [make_task(f"{name}{steps}", name, num_steps=steps) for name in "abc" for steps in (50, 200)]
    start = Configuration("sgd", hparams={"sgd.lr": 1e30})
    assert with_fitted_law(start, tasks, evaluator) == (start, {})
    assert evaluator.spent.evaluations
