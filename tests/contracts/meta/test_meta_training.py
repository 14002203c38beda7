"""What a learned rule declares about its meta-training is sound, and completes its space."""

import pytest

from metaopt import MetaTraining, PluginError
from metaopt.contracts.meta.meta_training import Policy
from metaopt.space import Float, defaults

POLICY = Policy(shape=(1,), begins=(), trace=("seen",), decisions=lambda theta, begins, trace: trace["seen"])


def declared(**fields):
    return MetaTraining(init_theta=lambda params, generator, values: {}, **fields)


def test_a_rule_that_declares_only_its_weights_is_trained_by_backprop():
    values = defaults(declared().full_space)
    assert values == {"outer_lr": 1e-3, "outer_final": 1.0, "inner_steps": 0, "order": "second", "clip": 0.0}


def test_declared_defaults_are_those_of_the_space():
    values = defaults(declared(outer_lr=5e-3, clip=2.0, orders=("first", "second")).full_space)
    assert (values["outer_lr"], values["clip"], values["order"]) == (5e-3, 2.0, "first")


def test_what_the_rule_adds_joins_the_space():
    space = declared(space={"inner_lr": Float(1e-3, 1.0, default=0.1)}).full_space
    assert defaults(space)["inner_lr"] == 0.1
    assert "outer_lr" in space


@pytest.mark.parametrize(
    ("fields", "over_trainings", "added"),
    [
        ({"estimator": "backprop"}, False, set()),
        ({"estimator": "reptile"}, False, set()),
        ({"estimator": "es"}, True, {"deviation", "rescaled", "outer_decay", "late"}),
        ({"estimator": "pes"}, True, {"deviation", "rescaled", "outer_decay", "late"}),
        ({"estimator": "reinforce", "policy": POLICY}, True, {"deviation", "rescaled", "outer_decay"}),
    ],
)
def test_estimators_over_whole_trainings_have_noise_and_decay(fields, over_trainings, added):
    meta = declared(**fields)
    assert meta.over_trainings is over_trainings
    assert meta.full_space.keys() - declared().full_space.keys() == added


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"estimator": "adjoint"}, "estimator must be one of .* got 'adjoint'"),
        ({"objective": "mean"}, "objective must be one of .* got 'mean'"),
        ({"objective": "log_trajectory"}, "'log_trajectory' is for estimators 'es', 'pes' and 'reinforce'"),
        ({"estimator": "reinforce"}, "needs policy=Policy"),
        ({"policy": POLICY}, "'reinforce', and no other, needs policy"),
        ({"orders": ()}, "orders must name 'first', 'second' or both"),
        ({"orders": ("third",)}, "orders must name 'first', 'second' or both"),
        ({"truncation": 0}, "truncation must be a positive number of steps, got 0"),
    ],
)
def test_unsound_declarations_are_refused(fields, message):
    with pytest.raises(PluginError, match=message):
        declared(**fields)


def test_logarithms_of_losses_are_for_whole_trainings():
    assert declared(estimator="pes", objective="log_trajectory").objective == "log_trajectory"
