"""A class that cannot step a model's parameters is refused before it is bound, by what it cannot step."""

import random

import numpy as np
import pytest
import torch
from torch import nn

import metaopt
from metaopt.deploy.optimizer.classes.class_trial import Tried, tried


class Choosy(torch.optim.SGD):
    """Descent on float32 tensors of at most 10 rows, that draws numbers and counts in its group."""

    def __init__(self, params, lr: float = 0.1):
        super().__init__(params, lr=lr)
        for group in self.param_groups:
            group.setdefault("count", torch.zeros(()))

    def step(self, closure=None):
        random.random(), np.random.rand(), torch.rand(())
        for group in self.param_groups:
            group["count"] += 1
            for param in group["params"]:
                if param.dtype != torch.float32 or (param.ndim and len(param) > 10):
                    raise RuntimeError(f"no {param.dtype} of {len(param)}")
        super().step()


class Early(torch.optim.SGD):
    """Descent that looks at gradients before it has its closure make them."""

    def step(self, closure):
        if any(param.grad is None for group in self.param_groups for param in group["params"]):
            raise KeyError("moment")
        return super().step(closure)


def trial(cls, *groups, **stated):
    native = metaopt.optimizer_spec(cls, version="1", **stated).native
    return tried(native, cls, list(groups))


def group(*shapes, dtype=torch.float32):
    return {"params": [nn.Parameter(torch.zeros(shape, dtype=dtype)) for shape in shapes], "lr": 0.1}


def test_a_class_that_steps_shows_nothing_and_leaves_all_as_it_was():
    own = {**group((3, 4), (5,), (), (0,)), "count": torch.zeros(())}
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    following = random.random(), np.random.rand(), float(torch.rand(()))
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    assert trial(Choosy, own) == Tried()
    assert own["count"] == 0
    assert all(param.grad is None for param in own["params"])
    assert (random.random(), np.random.rand(), float(torch.rand(()))) == following


def test_the_kind_of_parameter_and_what_was_raised_are_named():
    sentence = (
        r"Choosy cannot step a parameter of shape \(5,\) and torch\.float64 here: RuntimeError: no torch\.float64"
    )
    with pytest.raises(metaopt.PluginError, match=sentence):
        trial(Choosy, group((3,)), group((5,), dtype=torch.float64))


def test_a_class_that_takes_one_group_says_so():
    assert trial(torch.optim.LBFGS, group((2, 2))) == Tried()
    with pytest.raises(metaopt.PluginError, match="LBFGS cannot step 2 param groups here: ValueError: LBFGS doesn't"):
        trial(torch.optim.LBFGS, group((2, 2)), group((3,)))


def test_what_a_class_needs_beside_gradients_is_found():
    assert trial(Early, group((2,)), takes_closure=True) == Tried(needs_gradients=True)
    assert trial(torch.optim.SparseAdam, group((4, 2))) == Tried(is_sparse=True)


def test_a_class_that_fails_on_small_stand_ins_alone_is_not_refused():
    class Wide(torch.optim.SGD):
        def step(self, closure=None):
            if any(len(param) < 50 for group in self.param_groups for param in group["params"]):
                raise RuntimeError("too narrow")
            super().step()

    assert trial(Wide, group((50, 2))) == Tried()
