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


@pytest.mark.parametrize("name", ["averaged", "dog", "mechanic", "lookahead"])
def test_a_class_without_a_rule_takes_no_wrapper(name):
    alone = metaopt.optimizer_spec(torch.optim.Adamax)
    assert misfit(alone, []) is None
    expected = f"The wrapper '{name}' goes around a rule, and 'adamax' is a library's class without one; leave it out."
    assert misfit(alone, [wrapper(name)]) == expected


@pytest.mark.parametrize(
    ("name", "wrappers", "reason"),
    [
        ("adamw", ["averaged"], None),
        ("prodigy", ["mechanic"], None),
        ("prodigy", ["dog"], "The wrapper 'dog' sets the learning rate, and 'prodigy' its own; leave one out."),
        (
            "celo",
            ["learned_schedule"],
            "A recipe has one learned part, and celo and learned_schedule are; leave one out.",
        ),
    ],
)
def test_wrappers_that_cannot_go_around_an_optimizer(name, wrappers, reason):
    assert misfit(optimizer(name), [wrapper(around) for around in wrappers]) == reason


def test_an_optimizer_for_matrices_says_how_the_rest_is_trained(normed):
    shapes = {"w": torch.Size((2, 3)), "b": torch.Size((3,)), "scale": torch.Size(())}
    assert untaken(optimizer("adamw"), shapes) is None
    assert untaken(normed, {"w": shapes["w"]}) is None
    assert untaken(normed, shapes) == (
        "normed takes matrices, and the parameter 'b' (and 1 more) has the shape (3,); give the others to another "
        "optimizer, such as adamw with roles={'matrix': {'optimizer': 'normed'}}."
    )
