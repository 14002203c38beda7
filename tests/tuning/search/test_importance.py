"""Shares of the objective's variance: which choice mattered, and which hyperparameter of the recipe's optimizer."""

import pytest

import metaopt
from metaopt.tuning.search.importance import FEWEST, importances


@pytest.fixture(scope="module")
def result(module_tasks):
    choice = {"optimizers": ["sgd", "adamw"], "controllers": ["constant", "cosine"], "wrappers": [], "against": []}
    return metaopt.tune(module_tasks, n_trials=2 * FEWEST, announce=lambda line: None, **choice)


@pytest.fixture(scope="module")
def module_tasks():
    from tests.tuning.conftest import _make_tasks

    return _make_tasks(2, num_steps=6, num_validations=3)


def test_shares_sum_to_one_the_largest_first(result):
    tables = importances(result)
    assert set(tables) <= {"importance", "importance_optimizer"}
    title, shares = tables["importance"]
    assert title == "Which choice mattered"
    assert {"optimizer", "controller"} <= set(shares)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_those_of_the_recipes_optimizer_are_of_its_own_hyperparameters(result):
    title, shares = importances(result)["importance_optimizer"]
    optimizer = result.recipe.configuration.optimizer
    assert title == f"What mattered with {optimizer}"
    assert any(name.startswith(f"{optimizer}.") for name in shares)
    others = {"sgd", "adamw"} - {optimizer}
    assert not any(name.startswith(tuple(f"{other}." for other in others)) for name in shares)


def test_too_few_candidates_say_nothing(module_tasks):
    few = metaopt.tune(
        module_tasks, n_trials=FEWEST - 1, optimizers=["sgd"], wrappers=[], against=[], announce=lambda line: None
    )
    assert importances(few) == {}
