"""L-DoG follows its authors' package."""

import pytest
import torch


def test_it_is_the_authors_package(waves):
    dog = pytest.importorskip("dog", reason="needs dog-optimizer")
    model = waves.model()
    theirs = waves.trained(dog.LDoG(model.parameters(), reps_rel=1e-3), model)
    found = waves.ours("sgd", "ldog", lr=1.0, **{"ldog.initial": 1e-3})
    torch.testing.assert_close(found, theirs, rtol=1e-9, atol=1e-12)
    assert (found[-1] - found[0]).norm() > 0.1, "it went somewhere"
