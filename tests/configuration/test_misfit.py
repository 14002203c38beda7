"""Wrappers that cannot go around an optimizer are told why."""

import pytest
import torch

import metaopt
from metaopt.configuration.misfit import misfit
from metaopt.plugin.registry import current_registry


def wrapper(name):
    return current_registry().get(metaopt.WrapperSpec, name)


def test_a_rule_takes_a_wrapper():
    adamw = current_registry().get(metaopt.OptimizerSpec, "adamw")
    assert misfit(adamw, []) is None
    assert misfit(adamw, [wrapper("averaged")]) is None


@pytest.mark.parametrize("name", ["averaged", "dog", "mechanic", "lookahead"])
def test_a_class_without_a_rule_takes_none(name):
    alone = metaopt.optimizer_spec(torch.optim.Adamax)
    assert misfit(alone, []) is None
    expected = f"The wrapper '{name}' goes around a rule, and 'adamax' is a library's class without one; leave it out."
    assert misfit(alone, [wrapper(name)]) == expected


def test_what_steers_the_rate_needs_one():
    prodigy = current_registry().get(metaopt.OptimizerSpec, "prodigy")
    assert "sets the learning rate, and 'prodigy' its own" in misfit(prodigy, [wrapper("dog")])
