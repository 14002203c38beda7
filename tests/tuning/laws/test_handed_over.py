"""A study that has a ladder hands over a recipe whose law was measured on it."""

import numpy as np
import pytest

import metaopt
from metaopt.contracts import Scale
from metaopt.tuning.laws.fit import BestRate, fitted
from metaopt.tuning.laws.handed_over import _line


def tuned(tasks, tmp_path, name, **more):
    lines = []
    result = metaopt.tune(
        metaopt.Corpus("ladder", tuple(tasks)),
        n_trials=20,
        seed=0,
        optimizers=("adamw",),
        controllers=("linear",),
        wrappers=(),
        storage=f"sqlite:///{tmp_path / name}.db",
        announce=lines.append,
        **more,
    )
    return result, [line for line in lines if "law" in line]


@pytest.mark.slow
def test_the_law_is_in_the_recipe_and_its_trainings_are_counted(make_task, tmp_path):
    tasks = [make_task(f"{family}{steps}", family, num_steps=steps) for family in "abc" for steps in (8, 40)]
    result, lines = tuned(tasks, tmp_path, "climbing")
    law = result.recipe.rate_law["adamw"]
    assert law.spread is not None
    assert len(lines) == 1
    record = result.recipe.provenance["rate_law"]["adamw"]
    assert record["wins"] == bool(law.measured)
    again, repeated = tuned(tasks, tmp_path, "climbing")
    assert again.recipe.configuration == result.recipe.configuration
    assert repeated == lines


@pytest.mark.slow
def test_fixed_exponents_stay(make_task, tmp_path):
    tasks = [make_task(f"{family}{steps}", family, num_steps=steps) for family in "abc" for steps in (8, 40)]
    result, lines = tuned(tasks, tmp_path, "fixed", settings=["rate_law.total_steps=0.4"])
    assert lines == []
    assert all(law.total_steps == 0.4 for law in result.recipe.rate_law.values())


def test_a_ladder_of_two_families_does_not_claim_a_fit():
    rates = [
        BestRate(family, Scale(1e4, 64, steps), 0.9 * np.log2(500 / steps))
        for family in "ab"
        for steps in (10.0, 100.0, 1000.0)
    ]
    own = fitted(rates, metaopt.RateLaw())
    assert own.errors[1] < own.errors[0]
    assert _line("adamw", own).startswith("The rate of adamw keeps its law: a fit takes a ladder of three families")
