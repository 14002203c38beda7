"""Which choice mattered, and which hyperparameter of the recipe's optimizer."""

import dataclasses

import pytest

import metaopt
from metaopt.tuning.search.importance import FEWEST, MOST, importances


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
    found = tables["importance"]
    assert (found.title, found.candidates, found.best) == ("Which choice mattered", 2 * FEWEST, 2)
    assert found.is_rough
    shares = found.shares
    assert {"optimizer", "controller"} <= set(shares)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_those_of_the_recipes_optimizer_are_of_its_own_hyperparameters(result):
    found = importances(result)["importance_optimizer"]
    shares, optimizer = found.shares, result.recipe.configuration.optimizer
    assert found.title == f"What mattered with {optimizer}"
    assert any(name.startswith(f"{optimizer}.") for name in shares)
    others = {"sgd", "adamw"} - {optimizer}
    assert not any(name.startswith(tuple(f"{other}." for other in others)) for name in shares)


@pytest.mark.slow
def test_too_few_candidates_say_nothing(module_tasks):
    few = metaopt.tune(
        module_tasks, n_trials=FEWEST - 1, optimizers=["sgd"], wrappers=[], against=[], announce=lambda line: None
    )
    assert importances(few) == {}


def test_what_the_best_have_in_common_matters_most_among_thousands_too(result):
    """Candidates whose objective is decided by the optimizer alone; the time does not grow with their number."""
    many = []
    for number in range(3000):
        proposal, outcome = result.judged[number % len(result.judged)]
        value = float(proposal.configuration.optimizer == "adamw") + 1e-6 * number
        many.append((proposal, dataclasses.replace(outcome, rungs={1: value})))
    found = importances(dataclasses.replace(result, judged=many))["importance"]
    assert next(iter(found.shares)) == "optimizer"
    assert (found.candidates, found.best, found.is_rough) == (MOST, MOST // 10, False)
