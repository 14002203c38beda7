"""Mechanic follows its authors' package."""

import pytest
import torch

import metaopt
from metaopt.deploy.evaluation import evaluating


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_it_is_the_authors_package(waves, name, kind):
    package = pytest.importorskip("mechanic_pytorch", reason="needs mechanic-pytorch")
    model = waves.model()
    theirs = package.mechanize(kind, store_delta=True, s_init=1e-3)(model.parameters(), lr=0.1, weight_decay=0.0)
    theirs = waves.trained(theirs, model)
    found = waves.ours(name, "mechanic", lr=0.1, weight_decay=0.0, **{"mechanic.initial": 1e-3})
    torch.testing.assert_close(found, theirs, rtol=1e-4, atol=1e-6)  # theirs keeps its scales in float32
    assert (found[-1] - found[0]).norm() > 0.1, "it went somewhere"


@pytest.mark.parametrize("name", ["sgd", "adamw", "schedulefree_adamw"])
def test_it_evaluates_with_the_iterates_that_it_places(waves, name):
    model = waves.model()
    optimizer = metaopt.create_optimizer(name, model, wrappers=["mechanic"], implementation="rule")
    waves.trained(optimizer, model)
    placed = [one.detach().clone() for one in model.parameters()]
    with evaluating(optimizer):
        for one, two in zip(model.parameters(), placed, strict=True):
            assert torch.equal(one, two)
