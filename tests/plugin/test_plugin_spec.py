"""What plugins of every kind declare."""

import pytest

import metaopt
from metaopt import PluginError, When

DESCENT = metaopt.per_tensor(lambda *_: {}, lambda grad, state, param, hparams, *_: (-hparams["lr"] * grad, state))


def declared(**fields):
    return metaopt.OptimizerSpec(**{"name": "mine", "version": "1", "rule": DESCENT, **fields})


def test_signals_are_required_where_their_condition_holds():
    spec = declared(
        space={"clip": metaopt.Float(0.0, 1.0, default=0.5)},
        requires={"loss"},
        requires_when={"gradient_norm": When("clip", above=0.0)},
    )
    assert spec.required({"clip": 0.5}) == {"loss", "gradient_norm"}
    assert spec.required({"clip": 0.0}) == {"loss"}


@pytest.mark.parametrize("name", ["My optimizer", "", "Mine", "x" * 81])
def test_a_name_is_of_lower_case_letters_digits_and_underscores(name):
    with pytest.raises(PluginError, match="a name consists of lower case letters"):
        declared(name=name)


def test_a_plugin_for_another_contract_is_refused():
    with pytest.raises(PluginError, match=r"was written for api 2; this metaopt has api 1\."):
        declared(api=2)
