"""What does not go together is said in a sentence."""

import pytest
import torch

import metaopt
from metaopt.configuration import misfit, untaken
from metaopt.plugin.registry import current_registry


def spec(name, kind=metaopt.OptimizerSpec):
    return current_registry().get(kind, name)


@pytest.mark.parametrize(
    ("optimizer", "wrappers", "reason"),
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
def test_wrappers_that_cannot_go_around_an_optimizer(optimizer, wrappers, reason):
    assert misfit(spec(optimizer), [spec(name, metaopt.WrapperSpec) for name in wrappers]) == reason


def test_an_optimizer_for_matrices_says_how_the_rest_is_trained(normed):
    shapes = {"w": torch.Size((2, 3)), "b": torch.Size((3,)), "scale": torch.Size(())}
    assert untaken(spec("adamw"), shapes) is None
    assert untaken(normed, {"w": shapes["w"]}) is None
    assert untaken(normed, shapes) == (
        "normed takes matrices, and the parameter 'b' (and 1 more) has the shape (3,); give the others to another "
        "optimizer, such as adamw with roles={'matrix': {'optimizer': 'normed'}}."
    )
