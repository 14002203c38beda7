import pytest

import metaopt
from metaopt.plugin import KINDS, level_of


def weigh(losses, state, hparams, info):
    return losses * 0 + 1, state


def mix(gram, state, hparams, info):
    return gram[0] * 0 + 1 / len(gram), state


def weighting(**fields):
    return metaopt.WeightingSpec(**{"name": "mine", "version": "1", "weigh": weigh, **fields})


def surgery(**fields):
    return metaopt.SurgerySpec(**{"name": "mine", "version": "1", "mix": mix, **fields})


def test_both_are_kinds():
    assert (KINDS["weighting"], KINDS["surgery"]) == (metaopt.WeightingSpec, metaopt.SurgerySpec)
    assert weighting().init(3, {}) == {}


def test_every_surgery_says_what_gradients_are_taken_of():
    space = surgery().full_space
    assert space["level"].choices == ("parameters", "representation")
    assert space["level"].tuned == ("parameters",)
    assert level_of({"level": "representation"}) == "representation"


@pytest.mark.parametrize(
    ("make", "fields", "message"),
    [
        (weighting, {"weigh": 3}, r"WeightingSpec\(name='mine'\): weigh must be a function, got 3"),
        (weighting, {"requires": {"loss"}}, "requires is for plugins of other kinds"),
        (surgery, {"combine": mix}, "needs exactly one of mix= and combine="),
        (surgery, {"mix": None}, "needs exactly one of mix= and combine="),
        (surgery, {"init": "zeros"}, "init must be a function, got 'zeros'"),
        (surgery, {"space": {"level": metaopt.Int(1, 2)}}, "space declares 'level', which every surgery has"),
        (surgery, {"mixing": mix}, "SurgerySpec takes no 'mixing'; did you mean"),
    ],
)
def test_what_they_must_not_declare(make, fields, message):
    with pytest.raises(metaopt.PluginError, match=message):
        make(**fields)
