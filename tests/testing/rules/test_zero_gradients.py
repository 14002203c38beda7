"""A rule whose update is not finite where the gradient is zero is caught where it returns."""

import pytest
import torch

import metaopt
from metaopt.testing import ConformanceError
from metaopt.testing.rules.subject import HORIZON, Subject, hparams_for
from metaopt.testing.rules.zero_gradients import require_finite_at_zero


def momentum_of(param, hparams, theta, horizon):
    return {"momentum": torch.zeros_like(param)}


def optimizer(rule):
    return metaopt.OptimizerSpec(name="mine", version="1", rule=rule, space={"lr": metaopt.Float(1e-4, 1.0, log=True)})


#: Steps that are no number where the gradient is zero: what they are, and from which moment on.
NOT_FINITE = {
    "normalized": (lambda grad, momentum: grad / grad.norm(), "at the start"),
    "a sign by division": (lambda grad, momentum: momentum / momentum.abs(), "at the start"),
    "a logarithm": (lambda grad, momentum: grad.abs().log(), "at the start"),
    "infinite later": (lambda grad, momentum: momentum / (grad.abs() + (momentum == 0)), "after two steps"),
}


@pytest.mark.parametrize(("direction", "moment"), NOT_FINITE.values(), ids=NOT_FINITE)
def test_a_step_that_is_not_finite_where_the_gradient_is_zero_is_caught_where_it_returns(failures, direction, moment):
    def update(grad, state, param, hparams, theta, info):
        momentum = 0.9 * state["momentum"] + grad
        return -hparams["lr"] * direction(grad, momentum), {"momentum": momentum}

    rule = metaopt.per_tensor(momentum_of, update, granularity="tensor")
    ((check, found),) = failures(optimizer(rule)).items()
    assert check == "keeps_dtypes_and_shapes"
    assert f"The update is not finite where the gradient is zero, {moment}: " in found
    assert 'return -hparams["lr"] * direction(grad, momentum), {"momentum": momentum}' in found


def test_a_whole_rule_that_is_not_finite_where_the_gradient_is_zero_is_caught_where_it_returns(failures):
    class Normalized(metaopt.Rule):
        granularity = "tensor"

        def init(self, params, hparams, theta, horizon):
            return {"tensors": {name: {} for name in params}, "shared": {}}

        def update(self, grads, state, params, hparams, theta, info):
            updates = {name: -hparams[name]["lr"] * grad / grad.norm() for name, grad in grads.items()}
            return {name: update.to(params[name].dtype) for name, update in updates.items()}, state

    ((check, found),) = failures(optimizer(Normalized())).items()
    assert check == "keeps_dtypes_and_shapes"
    assert "The update is not finite where the gradient is zero, at the start: " in found
    assert "return {name: update.to(params[name].dtype)" in found


PARAMS = {"w": torch.tensor([1.0, 2.0])}


def held(update, init=momentum_of, states=None):
    """What is checked of a rule, from the state of its beginning or from others."""
    assembly = Subject(optimizer(metaopt.per_tensor(init, update))).assemble()
    hparams = hparams_for(assembly, PARAMS)
    begun = assembly.rule.init(PARAMS, hparams, {}, torch.tensor(float(HORIZON)))
    require_finite_at_zero(assembly, PARAMS, {}, states or {"at the start": begun}, update)


def test_a_division_with_an_epsilon_passes():
    held(lambda grad, state, param, hparams, *_: (-hparams["lr"] * grad / (grad.abs() + 1e-8), state))


def test_the_second_step_without_a_gradient_is_looked_at_too():
    def update(grad, state, param, hparams, theta, info):
        return torch.where(info.step == 1, torch.inf, grad), state

    match = r"at the start: w is \[inf, inf\]; keep an epsilon in what you divide by"
    with pytest.raises(ConformanceError, match=match):
        held(update)


def test_each_state_is_begun_from_and_named():
    def update(grad, state, param, hparams, theta, info):
        return grad / (state["momentum"] - 3.0), state

    def state(value):
        return {"tensors": {"w": {"momentum": torch.full((2,), value)}}, "shared": {}}

    held(update, states={"at first": state(0.0), "later": state(1.0)})
    with pytest.raises(ConformanceError, match=r"where the gradient is zero, later: w is \[nan, nan\]"):
        held(update, states={"at first": state(0.0), "later": state(3.0)})
