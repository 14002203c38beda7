"""An optimizer of a library that takes long to import is listed at once, and made when it is named."""

import pytest
import torch

import metaopt
from metaopt.errors import PluginError
from metaopt.plugin.deferred import DeferredOptimizer
from metaopt.plugin.optimizer import OptimizerSpec
from metaopt.plugin.registry import Registry


def promise(make, **fields):
    return DeferredOptimizer(**{"name": "mine", "version": "2", "summary": "a promise", "make": make, **fields})


def spec(**fields):
    return metaopt.optimizer_spec(torch.optim.SGD, **{"name": "mine", "version": "2", **fields})


def registry_of(make):
    registry = Registry()
    registry.register(promise(make))
    return registry


def test_it_is_listed_without_being_made_and_made_once_when_it_is_named():
    made = []
    registry = registry_of(lambda: made.append(spec()) or made[-1])
    (row,) = registry.rows()
    assert (row["name"], row["kind"], row["version"], row["summary"]) == ("mine", "optimizer", "2", "a promise")
    assert registry.names(OptimizerSpec) == ["mine"]
    assert registry.specs(OptimizerSpec) == []
    assert made == []
    assert registry.get(OptimizerSpec, "mine") is registry.get(OptimizerSpec, "mine") is made[0]
    assert registry.specs(OptimizerSpec) == made
    assert registry.source(made[0]).distribution == "(session)"


def test_a_library_that_fails_is_named_with_the_optimizer():
    def make():
        raise ImportError("no such library")

    with pytest.raises(PluginError, match=r"The optimizer 'mine' cannot be made: ImportError: no such library\."):
        registry_of(make).get(OptimizerSpec, "mine")


@pytest.mark.parametrize("make", [lambda: spec(name="other"), lambda: spec(version="3"), lambda: None])
def test_it_keeps_what_it_promised(make):
    with pytest.raises(PluginError, match=r"make must return the OptimizerSpec of that name and version, got"):
        registry_of(make).get(OptimizerSpec, "mine")


def test_it_is_never_proposed():
    with pytest.raises(PluginError, match=r"DeferredOptimizer\(name='mine'\) cannot be proposed"):
        promise(spec, proposed=True)
