"""What an optimizer declares of the tensors that it takes."""

import pytest
import torch

import metaopt
from metaopt import PluginError

DESCENT = metaopt.per_tensor(lambda *_: {}, lambda grad, state, param, hparams, *_: (-hparams["lr"] * grad, state))


def test_an_optimizer_takes_all_tensors_unless_it_says_otherwise():
    assert metaopt.OptimizerSpec(name="mine", version="1", rule=DESCENT).takes == "all"
    assert metaopt.OptimizerSpec(name="mine", version="1", rule=DESCENT, takes="matrices").takes == "matrices"


def test_what_an_optimizer_takes_is_one_of_two_words():
    with pytest.raises(PluginError, match=r"takes must be 'all' or 'matrices', got 'vectors'\."):
        metaopt.OptimizerSpec(name="mine", version="1", rule=DESCENT, takes="vectors")


def test_what_a_class_holds_as_none_has_its_value():
    spec = metaopt.plugin.current_registry().get(metaopt.OptimizerSpec, "adafactor")
    assert spec.unpack({"eps": (None, 1e-2)}) == {"eps1": 0.0, "eps2": 1e-2}
    assert spec.unpack({"eps": (1e-8, None), "lr": None}) == {"eps1": 1e-8, "eps2": None, "lr": None}
    assert spec.unpack({"lr": 0.1}) == {"lr": 0.1}


def test_a_law_is_one_and_acts_on_a_rate():
    space, law = {"lr": metaopt.Float(1e-3, 1.0, log=True, default=0.1)}, metaopt.RateLaw()
    assert metaopt.OptimizerSpec(name="mine", version="1", rule=DESCENT, space=space, rate_law=law).rate_law is law
    with pytest.raises(PluginError, match=r"rate_law must be a metaopt\.RateLaw, got 0\.3; write rate_law=metaopt\."):
        metaopt.OptimizerSpec(name="mine", version="1", rule=DESCENT, space=space, rate_law=0.3)
    with pytest.raises(PluginError, match=r"its lr is a factor on what it sets by itself, .*; leave rate_law out\."):
        metaopt.OptimizerSpec(name="mine", version="1", rule=DESCENT, space=space, sets_rate=True, rate_law=law)
    with pytest.raises(PluginError, match=r"it has no lr, so that no law acts on it; leave rate_law out\."):
        metaopt.OptimizerSpec(name="mine", version="1", rule=DESCENT, rate_law=law)


def test_a_class_has_a_law_where_one_is_stated():
    law = metaopt.RateLaw()
    assert metaopt.optimizer_spec(torch.optim.Adam, rate_law=law).rate_law == law
    assert not any(metaopt.optimizer_spec(torch.optim.Adam).rate_law.exponents.values())
