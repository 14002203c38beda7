"""What does not go together is said in a sentence."""

import pytest
import torch

import metaopt
from metaopt.configuration import misfit, untaken
from metaopt.plugin import OptimizerSpec, WrapperSpec, current_registry


def optimizer(name):
    return current_registry().get(OptimizerSpec, name)


def wrapper(name):
    return current_registry().get(WrapperSpec, name)


@pytest.mark.parametrize(("name", "around", "sentence"), [
    ("prodigy", "dog", "The wrapper 'dog' sets the learning rate, and 'prodigy' its own; leave one out."),
    ("adamw", "dog", None),
    ("prodigy", "averaged", None),
])  # fmt: skip
def test_a_rate_is_set_once(name, around, sentence):
    assert misfit(optimizer(name), [wrapper(around)]) == sentence


@pytest.mark.parametrize("name", ["averaged", "dog", "mechanic", "lookahead"])
def test_a_class_without_a_rule_takes_no_wrapper(name):
    alone = metaopt.optimizer_spec(torch.optim.Adamax)
    assert misfit(alone, []) is None
    expected = f"The wrapper '{name}' goes around a rule, and 'adamax' is a library's class without one; leave it out."
    assert misfit(alone, [wrapper(name)]) == expected


def test_an_optimizer_of_matrices_takes_no_vectors():
    shapes = {"weight": torch.Size((3, 2)), "bias": torch.Size((3,)), "scale": torch.Size(())}
    sentence = untaken(optimizer("muon"), shapes)
    assert sentence == (
        "muon takes matrices, and the parameter 'bias' (and 1 more) has the shape (3,); give the others to another "
        "optimizer: roles=…"
    )
    assert untaken(optimizer("muon"), {"weight": shapes["weight"]}) is None
    assert untaken(optimizer("adamw"), shapes) is None
