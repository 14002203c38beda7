"""A recipe says what a loop has to supply, and a loop that supplies it trains."""

import pytest
import torch

import metaopt
from metaopt import Configuration, StopperConfiguration
from metaopt.plugin import current_registry
from metaopt.recipe.host_signals import HOSTS, check_host, host_named, host_signals

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


def test_classes_say_that_they_need_a_closure_or_a_graph():
    registry = current_registry()
    for name, options, signal in (
        ("needs_closure", {"takes_closure": True}, "closure"),
        ("needs_graph", {"needs_graph": True}, "graph"),
    ):
        spec = metaopt.optimizer_spec(
            torch.optim.SGD, name=name, lr=metaopt.Float(1e-3, 1.0, log=True, default=0.1), **options
        )
        registry.register(spec)
        recipe = metaopt.Recipe.create(Configuration(name, "constant"), registry=registry)
        assert host_signals(recipe.assembly(registry), None, registry) == {signal}


@pytest.mark.parametrize(("configuration", "stopper", "signals"), CASES)
@pytest.mark.parametrize("host", HOSTS)
def test_a_host_takes_what_it_supplies_and_refuses_the_rest_by_name(host, configuration, stopper, signals):
    recipe = metaopt.Recipe.create(configuration, stopper)
    missing = sorted(signals - HOSTS[host].supplies)
    if not missing:
        check_host(recipe, host)
        return
    part = {"evidence": "stopper 'evidence'"}.get(missing[0], "(controller|optimizer|stopper) '")
    message = rf"^{HOSTS[host].title} does not supply {missing[0]}, which the recipe's {part}.* requires; take another"
    with pytest.raises(metaopt.PluginError, match=message):
        check_host(recipe, host)


def test_an_unknown_host_is_one_sentence():
    with pytest.raises(metaopt.InputError, match=r"^There is no host 'lightening'; did you mean 'lightning'\? Known: "):
        host_named("lightening")
