"""The kit passes sound rules and says what is wrong with the others."""

import pytest
import torch

import metaopt
from metaopt import testing


def init(param, hparams, theta, horizon):
    return {}


def descend(grad, state, param, hparams, theta, info):
    return -hparams["lr"] * (grad + hparams["weight_decay"] * param), state


def scaled_by_loss(grad, state, param, hparams, theta, info):
    return -hparams["lr"] * info.loss * grad, state


SPACE = {"lr": metaopt.Float(1e-4, 1.0, log=True), "weight_decay": metaopt.Float(0.0, 0.1)}


def optimizer(**arguments):
    given = {"name": "mine", "version": "1", "rule": metaopt.per_tensor(init, descend), "space": SPACE}
    return metaopt.OptimizerSpec(**{**given, **arguments})


class Learned(metaopt.Rule):
    """Each number's step is a small network of its gradient and momentum; theta holds the weights."""

    granularity = "coordinate"

    def init(self, params, hparams, theta, horizon):
        return {"tensors": {name: {"m": torch.zeros_like(param)} for name, param in params.items()}, "shared": {}}

    def update(self, grads, state, params, hparams, theta, info):
        tensors = {**state["tensors"]}
        updates = {}
        for name, grad in grads.items():
            m = 0.9 * state["tensors"][name]["m"] + 0.1 * grad.to(state["tensors"][name]["m"].dtype)
            hidden = torch.tanh(grad[..., None] * theta["first"][0] + m[..., None] * theta["first"][1])
            updates[name] = (-hparams[name]["lr"] * (hidden * theta["second"]).sum(-1)).to(params[name].dtype)
            tensors[name] = {"m": m}
        return updates, {"tensors": tensors, "shared": state["shared"]}


def init_theta(params, generator, hparams):
    return {"first": torch.randn(2, 4, generator=generator), "second": torch.randn(4, generator=generator)}


def test_a_learned_rule_passes_with_its_weights(failures):
    spec = optimizer(
        rule=Learned(),
        space={"lr": metaopt.Float(1e-4, 0.1, log=True)},
        meta=metaopt.MetaTraining(init_theta=init_theta),
    )
    report = testing.check(spec)
    assert failures(spec) == {}
    assert {outcome.check for outcome in report.outcomes if outcome.status == "skipped"} == {"native_equals_rule"}


def test_weights_from_the_global_generator_are_caught(failures):
    spec = optimizer(
        rule=Learned(),
        space={"lr": metaopt.Float(1e-4, 0.1, log=True)},
        meta=metaopt.MetaTraining(init_theta=lambda *_: {"first": torch.randn(2, 4), "second": torch.randn(4)}),
    )
    assert "theta from an equal generator" in failures(spec)["theta_is_reproducible"]


def test_a_rule_gets_the_loss_only_if_it_requires_it(failures):
    rule = metaopt.per_tensor(init, scaled_by_loss)
    assert failures(optimizer(rule=rule, requires=frozenset({"loss"}))) == {}
    found = failures(optimizer(rule=rule))
    assert "TypeError" in found["is_pure"]
    assert "info.loss * grad" in found["is_pure"]


def test_a_native_class_that_computes_something_else_is_caught(failures):
    honest = metaopt.Native(module="torch.optim", qualname="SGD")
    assert failures(optimizer(native=honest)) == {}
    wrong = metaopt.Native(module="torch.optim", qualname="AdamW")
    found = failures(optimizer(native=wrong))["native_equals_rule"]
    assert "Step 0, the native class with {" in found
    assert "def descend(" in found


def test_a_native_class_that_is_not_installed_is_skipped_with_what_to_install():
    native = metaopt.Native(module="absent_library", qualname="SGD", distribution="absent-library")
    (outcome,) = [
        outcome for outcome in testing.check(optimizer(native=native)).outcomes if outcome.check == "native_equals_rule"
    ]
    assert outcome.status == "skipped"
    assert "pip install absent-library" in outcome.message


def test_an_infinite_hyperparameter_is_caught(failures):
    space = {**SPACE, "cap": metaopt.Float(1.0, 2.0, valid="[1, inf]")}
    assert "cap may be [inf] by valid='[1, inf]'" in failures(optimizer(space=space))["space_is_finite"]
    space = {**SPACE, "cap": metaopt.Float(1.0, 2.0, default=float("inf"), valid="[1, inf]")}
    assert "not JSON compliant" in failures(optimizer(space=space))["space_survives_json"]


def test_a_range_that_people_may_not_give_is_caught(failures):
    space = {**SPACE, "beta": metaopt.Float(0.5, 1.0, default=0.9, valid="[0, 1)")}
    assert "mine.beta must be in [0, 1), got 1.0" in failures(optimizer(space=space))["space_is_sound"]


def test_a_condition_that_never_holds_is_caught(failures):
    space = {**SPACE, "extra": metaopt.Float(0, 1, when=metaopt.When("weight_decay", above=0.1))}
    found = failures(optimizer(space=space))["conditions_can_hold"]
    assert "tuned only when weight_decay > 0.1, but it is at most 0.1" in found


@pytest.mark.parametrize("check", testing.checks_for(optimizer()), ids=str)
def test_checks_parametrise_a_test(check):
    check()


def test_only_specs_have_checks():
    with pytest.raises(metaopt.InputError, match=r"give a spec such as metaopt\.OptimizerSpec"):
        testing.checks_for(metaopt.PluginSpec(name="abstract", version="1"))
