"""A recipe says what a loop has to supply, and a loop that supplies it trains."""

import pytest

import metaopt
from metaopt import Configuration, StopperConfiguration

CASES = [
    (Configuration("adamw", "constant"), None, set()),
    (Configuration("adamw", "cosine"), None, {"horizon"}),
    (Configuration("adamw", "plateau"), None, {"metric"}),
    (Configuration("adamw", "greedy"), None, {"loss"}),
    (Configuration("sgd", "polyak"), None, {"loss"}),  # the run measures gradients
    (Configuration("adamw", "adagrad_norm"), None, set()),
    (Configuration("adamw", "hypergradient"), None, set()),
    (Configuration("nadamw", "constant", wrappers=("learned_schedule",)), None, {"loss", "horizon"}),
    (Configuration("adamw", "constant"), StopperConfiguration("patience"), {"metric"}),
    (
        Configuration("adamw", "constant"),
        StopperConfiguration("patience", {"unit": "epochs", "patience": 3}),
        {"metric", "epoch"},
    ),
    (Configuration("adamw", "constant"), StopperConfiguration("prechelt", {"criterion": "pq"}), {"metric", "loss"}),
    (Configuration("adamw", "constant"), StopperConfiguration("evidence"), {"metric", "evidence"}),
]


@pytest.mark.parametrize(("configuration", "stopper", "signals"), CASES)
def test_a_recipe_says_what_a_host_has_to_supply(configuration, stopper, signals):
    assert metaopt.Recipe.create(configuration, stopper).requires == signals


def test_the_default_recipe_needs_no_loss():
    assert "loss" not in metaopt.load_recipe("default").requires
