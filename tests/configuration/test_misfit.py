"""What does not go together is said in a sentence."""

import pytest
import torch

from metaopt.configuration import misfit, untaken
from metaopt.plugin import OptimizerSpec, WrapperSpec, current_registry


def optimizer(name):
    return current_registry().get(OptimizerSpec, name)


@pytest.mark.parametrize(("name", "wrapper", "sentence"), [
    ("prodigy", "dog", "The wrapper 'dog' sets the learning rate, and 'prodigy' its own; leave one out."),
    ("adamw", "dog", None),
    ("prodigy", "averaged", None),
])  # fmt: skip
def test_a_rate_is_set_once(name, wrapper, sentence):
    assert misfit(optimizer(name), [current_registry().get(WrapperSpec, wrapper)]) == sentence


def test_an_optimizer_of_matrices_takes_no_vectors():
    shapes = {"weight": torch.Size((3, 2)), "bias": torch.Size((3,)), "scale": torch.Size(())}
    sentence = untaken(optimizer("muon"), shapes)
    assert sentence == (
        "muon takes matrices, and the parameter 'bias' (and 1 more) has the shape (3,); give the others to another "
        "optimizer: roles=…"
    )
    assert untaken(optimizer("muon"), {"weight": shapes["weight"]}) is None
    assert untaken(optimizer("adamw"), shapes) is None
