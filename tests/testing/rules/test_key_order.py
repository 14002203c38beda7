"""The kit finds plugins to which the order of a dict means something, and passes those that fill dicts as they like."""

import pytest
import torch

import metaopt

SPACE = {"lr": metaopt.Float(1e-4, 1.0, log=True)}


def init(param, hparams, theta, horizon):
    return {"m": torch.zeros_like(param), "v": torch.zeros_like(param)}


def step_of(m, v, hparams):
    return -hparams["lr"] * m / (v + 1e-8).sqrt()


def filled_the_other_way_round(grad, state, param, hparams, theta, info):
    m, v = 0.9 * state["m"] + 0.1 * grad, 0.99 * state["v"] + 0.01 * grad * grad
    return step_of(m, v, hparams), {"v": v, "m": m}


def taken_by_position(grad, state, param, hparams, theta, info):
    m, v = state.values()
    m, v = 0.9 * m + 0.1 * grad, 0.99 * v + 0.01 * grad * grad
    return step_of(m, v, hparams), {"m": m, "v": v}


class Zipped(metaopt.Rule):
    granularity = "tensor"

    def init(self, params, hparams, theta, horizon):
        return {"tensors": {name: {} for name in params}, "shared": {}}

    def update(self, grads, state, params, hparams, theta, info):
        pairs = zip(grads.items(), params.values(), strict=False)
        updates = {name: -hparams[name]["lr"] * grad * param.abs().sum() for (name, grad), param in pairs}
        return {name: update.to(params[name].dtype) for name, update in updates.items()}, state


def optimizer(rule):
    return metaopt.OptimizerSpec(name="mine", version="1", rule=rule, space=SPACE)


def test_a_rule_may_fill_its_state_in_any_order(failures):
    assert failures(optimizer(metaopt.per_tensor(init, filled_the_other_way_round))) == {}


def test_a_rule_that_takes_its_state_by_position_is_caught(failures):
    found = failures(optimizer(metaopt.per_tensor(init, taken_by_position)))
    assert "With its dicts in another order" in found["ignores_the_order_of_keys"]
    assert "def taken_by_position(" in found["ignores_the_order_of_keys"]


def test_a_rule_that_pairs_gradients_with_parameters_by_position_is_caught(failures):
    assert "ignores_the_order_of_keys" in failures(optimizer(Zipped()))


class Halving:
    """A controller of two numbers; `by_position` is the mistake."""

    def __init__(self, by_position):
        self.by_position = by_position

    def init(self, hparams):
        return {"rate": torch.ones(()), "count": torch.zeros(())}

    def update(self, state, info, hparams):
        rate, count = state.values() if self.by_position else (state["rate"], state["count"])
        return metaopt.Rate(rate), {"count": count + 1, "rate": rate / (count + 2)}


@pytest.mark.parametrize("by_position", [False, True])
def test_a_controller_that_takes_its_state_by_position_is_caught(by_position, failures):
    spec = metaopt.ControllerSpec(name="mine", version="1", controller=Halving(by_position), cadence="step")
    assert ("ignores_the_order_of_keys" in failures(spec)) is by_position
