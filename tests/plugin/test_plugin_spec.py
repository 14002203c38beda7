"""What plugins of every kind declare."""

import dataclasses

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


@dataclasses.dataclass(frozen=True)
class Repeated(metaopt.Rule):
    """Descent with a step repeated."""

    times: int = 2
    granularity = "coordinate"

    def init(self, params, hparams, theta, horizon):
        return {"tensors": {name: {} for name in params}, "shared": {}}

    def update(self, grads, state, params, hparams, theta, info):
        return {name: -self.times * grad for name, grad in grads.items()}, state


def test_structural_hyperparameters_are_fields_of_the_rule():
    spec = declared(rule=Repeated(), space={"times": metaopt.Int(1, 4, default=2)}, structural=("times",))
    assert spec.formed(spec.rule, {"times": 3}) == Repeated(3)
    assert declared().formed(DESCENT, {}) is DESCENT


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"structural": ("rounds",)}, r"structural names the unknown hyperparameter 'rounds'\."),
        (
            {"structural": ("times",), "space": {"times": metaopt.Int(1, 4, default=3)}},
            r"a field of this name whose default is 3",
        ),
        ({"structural": ("lr",), "space": {"lr": metaopt.Float(0.1, 1.0)}}, r"must be a frozen dataclass with a field"),
    ],
)
def test_a_structural_hyperparameter_without_a_field_is_refused(fields, message):
    with pytest.raises(PluginError, match=message):
        declared(**{"rule": Repeated(), **fields})
