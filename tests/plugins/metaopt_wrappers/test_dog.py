"""DoG follows its authors' package, and so does the average that they ask for."""

import pytest
import torch

import metaopt
from metaopt.deploy.evaluation import evaluating


def test_it_is_the_authors_package(waves):
    dog = pytest.importorskip("dog", reason="needs dog-optimizer")
    model = waves.model()
    theirs = waves.trained(dog.DoG(model.parameters(), reps_rel=1e-3), model)
    found = waves.ours("sgd", "dog", lr=1.0, **{"dog.initial": 1e-3})
    torch.testing.assert_close(found, theirs, rtol=1e-9, atol=1e-12)
    assert (found[-1] - found[0]).norm() > 0.1, "it went somewhere"


def test_the_average_beside_it_is_the_polynomial_one(waves):
    dog = pytest.importorskip("dog", reason="needs dog-optimizer")
    model, mine = waves.model(), waves.model()
    averager = dog.PolynomialDecayAverager(model)
    waves.trained(dog.DoG(model.parameters(), reps_rel=1e-3), model, after=averager.step)
    hparams = {"dog.initial": 1e-3, "averaged.kind": "polynomial"}
    optimizer = metaopt.create_optimizer("sgd", mine, wrappers=["dog", "averaged"], lr=1.0, **hparams)
    waves.trained(optimizer, mine)
    with evaluating(optimizer):
        for one, two in zip(mine.parameters(), averager.averaged_model.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-12)
