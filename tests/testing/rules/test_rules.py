"""The kit passes sound rules and says what is wrong with the others."""

import pytest
import torch

import metaopt
from metaopt import testing

pytestmark = pytest.mark.thorough


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
    assert "TypeError" in found["keeps_dtypes_and_shapes"]
    assert "info.loss * grad" in found["keeps_dtypes_and_shapes"]


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
    assert list(failures(optimizer(space=space))) == ["space_is_finite"]


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


class Momentum(metaopt.Rule):
    """A whole rule; `answer` is what a broken one makes of its update's answer."""

    granularity = "coordinate"

    def __init__(self, answer=lambda updates, state: (updates, state)):
        self.answer = answer

    def init(self, params, hparams, theta, horizon):
        return {"tensors": {name: {"m": torch.zeros_like(param)} for name, param in params.items()}, "shared": {}}

    def update(self, grads, state, params, hparams, theta, info):
        new = {name: {"m": 0.9 * state["tensors"][name]["m"] + grad} for name, grad in grads.items()}
        updates = {name: (-hparams[name]["lr"] * own["m"]).to(params[name].dtype) for name, own in new.items()}
        return self.answer(updates, {"tensors": {**state["tensors"], **new}, "shared": state["shared"]})


def renamed(state):
    return {"tensors": {name: {"mom": own["m"]} for name, own in state["tensors"].items()}, "shared": {}}


ANSWERS = {
    "None": (lambda updates, state: None, "update must return (updates, new_state), got None."),
    "updates alone": (lambda updates, state: updates, "got a dict with the keys ['empty', 'kernel'"),
    "numpy": (
        lambda updates, state: ({name: u.float().numpy() for name, u in updates.items()}, state),
        "numpy.ndarray",
    ),
    "another key": (
        lambda updates, state: (updates, renamed(state)),
        "the state keys {mom} for 'scalar', init made {m}.",
    ),
    "no state": (
        lambda updates, state: (updates, {}),
        "must return the state as {'tensors': ..., 'shared': ...}, got a",
    ),
    "a missing update": (lambda updates, state: ({}, state), "keys [], expected ['empty', 'kernel'"),
    "another shape": (
        lambda updates, state: ({n: u.sum() for n, u in updates.items()}, state),
        "expected torch.float32",
    ),
    "NaN": (
        lambda updates, state: ({n: u * torch.nan for n, u in updates.items()}, state),
        "scalar is not finite: [nan]",
    ),
}


@pytest.mark.parametrize(("answer", "message"), ANSWERS.values(), ids=ANSWERS)
def test_one_mistake_of_a_whole_rule_is_one_failure(failures, answer, message):
    assert failures(optimizer(rule=Momentum(), space={"lr": SPACE["lr"]})) == {}
    ((check, found),) = failures(optimizer(rule=Momentum(answer), space={"lr": SPACE["lr"]})).items()
    assert check == "keeps_dtypes_and_shapes"
    assert message in found
    assert "return self.answer(" in found or "def update(self" in found


#: Weights before meta-training that cannot be: how they are made, and what must be said.
WEIGHTS = {
    "None": (
        lambda params, generator, hparams: None,
        "What init_theta returns must be a dict of tensors by name, got None",
    ),
    "a float": (lambda params, generator, hparams: {"rate": 0.1}, "got a float (0.1) for 'rate'"),
    "an exception": (lambda params, generator, hparams: hparams["rate"], "It raised KeyError: 'rate'"),
    "another signature": (lambda params: {}, "is called with (params, generator, hparams), which it does not take"),
    "NaN": (lambda params, generator, hparams: {"rate": torch.tensor(torch.nan)}, "theta: rate is not finite"),
}


@pytest.mark.parametrize(("init_theta", "message"), WEIGHTS.values(), ids=WEIGHTS)
def test_one_mistake_in_the_weights_is_one_failure(failures, init_theta, message):
    spec = optimizer(rule=Learned(), space={"lr": SPACE["lr"]}, meta=metaopt.MetaTraining(init_theta=init_theta))
    ((check, found),) = failures(spec).items()
    assert check == "theta_is_reproducible"
    assert message in found


def test_few_shot_rules_with_the_wrong_sign_are_caught(failures):
    def climb(grad, state, param, hparams, theta, info):
        return theta["rate"] * grad, state

    meta = metaopt.MetaTraining(init_theta=lambda params, generator, hparams: {"rate": torch.tensor(0.1)})
    spec = optimizer(rule=metaopt.per_tensor(init, climb), space={}, meta=meta)
    assert "it is 3.4 times that after 5 steps, " in failures(spec)["lowers_a_quadratic"]


def test_weights_that_no_one_trained_are_not_blamed():
    meta = metaopt.MetaTraining(init_theta=init_theta, estimator="pes", objective="trajectory", truncation=5)
    report = testing.check(optimizer(rule=Learned(), space={"lr": SPACE["lr"]}, meta=meta))
    (outcome,) = [outcome for outcome in report.outcomes if outcome.check == "lowers_a_quadratic"]
    assert outcome.status == "skipped"
    assert "No weights come with mine" in outcome.message


def test_weights_that_ship_are_tried():
    meta = {"estimator": "pes", "objective": "trajectory", "truncation": 5}
    rule = metaopt.per_tensor(init, lambda grad, state, param, hparams, theta, info: (theta["rate"] * grad, state))
    for rate, status in ((-0.1, "passed"), (0.1, "failed")):
        theta = {"rate": torch.tensor(rate)}
        made = metaopt.MetaTraining(init_theta=lambda *_, theta=theta: theta, shipped=lambda theta=theta: theta, **meta)
        report = testing.check(optimizer(rule=rule, space={}, meta=made))
        assert [one.status for one in report.outcomes if one.check == "lowers_a_quadratic"] == [status]


def test_a_default_that_trains_nothing_is_caught(failures):
    space = {**SPACE, "lr": metaopt.Float(1e-9, 1.0, log=True, default=1e-8)}
    assert list(failures(optimizer(space=space))) == ["lowers_a_quadratic"]


def test_what_builds_on_a_failure_does_not_run():
    rule = metaopt.per_tensor(init, lambda *_: None)
    outcomes = testing.check(optimizer(rule=rule)).outcomes
    blocked = [outcome for outcome in outcomes if outcome.status == "blocked"]
    assert len(blocked) > 10
    assert {outcome.message for outcome in blocked} == {"It could not run: keeps_dtypes_and_shapes failed."}


def test_in_ones_own_tests_too_one_cause_is_one_failure():
    rule = metaopt.per_tensor(init, lambda *_: None)
    failed = []
    for check in testing.checks_for(optimizer(rule=rule)):
        try:
            check()
        except testing.NotApplicable:
            continue
        except testing.ConformanceError:
            failed.append(check.name)
    assert failed == ["keeps_dtypes_and_shapes"]


def test_a_wrong_sign_is_one_failure_although_a_class_is_named(failures):
    def ascend(grad, state, param, hparams, theta, info):
        return hparams["lr"] * (grad + hparams["weight_decay"] * param), state

    native = metaopt.Native(module="torch.optim", qualname="SGD")
    found = failures(optimizer(rule=metaopt.per_tensor(init, ascend), native=native))
    assert list(found) == ["lowers_a_quadratic"]
    assert "Is the sign right" in found["lowers_a_quadratic"]


def test_a_state_in_a_parameters_memory_is_one_failure_although_a_class_is_named(failures):
    def own(param, hparams, theta, horizon):
        return {"m": param}

    def update(grad, state, param, hparams, theta, info):
        return -hparams["lr"] * (grad + 0.0 * state["m"]), {"m": state["m"] * 0.5 + grad}

    native = metaopt.Native(module="torch.optim", qualname="SGD", fixed={"momentum": 0.5})
    space = {"lr": metaopt.Float(1e-4, 0.1, log=True)}
    assert list(failures(optimizer(rule=metaopt.per_tensor(own, update), space=space, native=native))) == [
        "state_is_its_own"
    ]
