"""What an optimizer declares of the tensors that it takes."""

import pytest

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
