"""A steering rule says with which hyperparameters the rule inside it steps, and looks at what that did."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

import metaopt
from metaopt import StepInfo
from metaopt.contracts import GradientLimits, SteeringRule

PARAMS = {"w": torch.tensor([1.0, 2.0])}
GRADS = {"w": torch.tensor([3.0, 4.0])}
HPARAMS = {"w": {"lr": torch.tensor(0.5)}}
DESCENT = metaopt.per_tensor(
    init=lambda param, hparams, theta, horizon: {"last": torch.zeros_like(param)},
    update=lambda grad, state, param, hparams, theta, info: (-hparams["lr"] * grad, {"last": grad}),
)


@dataclass(frozen=True)
class Normed(SteeringRule):
    """Divides the rate by the norm of the gradient, and adds up how far each tensor went."""

    prefix: ClassVar[str] = "normed."

    def own_state(self, params, hparams):
        return {"tensors": {name: {"way": torch.zeros(())} for name in params}, "shared": {}}

    def steer(self, grads, own, params, hparams, theta, info):
        return {name: {"lr": hparams[name]["lr"] / grad.norm()} for name, grad in grads.items()}, own

    def moved(self, own, updates):
        ways = {name: {"way": own["tensors"][name]["way"] + update.norm()} for name, update in updates.items()}
        return {"tensors": ways, "shared": own["shared"]}


def stepped(rule):
    state = rule.init(PARAMS, HPARAMS, {}, torch.tensor(10.0))
    return rule.update(GRADS, state, PARAMS, HPARAMS, {}, StepInfo(step=torch.tensor(0.0)))


def test_the_inner_rule_steps_with_what_steer_says():
    updates, state = stepped(Normed(DESCENT))
    assert updates["w"].tolist() == pytest.approx([-0.3, -0.4])
    assert state["tensors"]["w"]["last"].tolist() == [3.0, 4.0]


def test_what_was_moved_is_remembered():
    _, state = stepped(Normed(DESCENT))
    assert state["tensors"]["w"].keys() == {"last", "normed.way"}
    assert state["tensors"]["w"]["normed.way"].item() == pytest.approx(0.5)


def test_without_moved_the_state_is_that_of_steer():
    class Counting(Normed):
        def steer(self, grads, own, params, hparams, theta, info):
            return hparams, {"tensors": {"w": {"way": own["tensors"]["w"]["way"] + 1}}, "shared": {}}

        moved = SteeringRule.moved

    updates, state = stepped(Counting(DESCENT))
    assert updates["w"].tolist() == [-1.5, -2.0]
    assert state["tensors"]["w"]["normed.way"].item() == 1.0


def test_begin_may_look_at_the_horizon():
    class Planned(Normed):
        def begin(self, params, hparams, theta, horizon):
            return {"tensors": {name: {"way": horizon} for name in params}, "shared": {}}

    state = Planned(DESCENT).init(PARAMS, HPARAMS, {}, torch.tensor(10.0))
    assert state["tensors"]["w"]["normed.way"].item() == 10.0


def test_a_steering_rule_that_says_nothing_steps_as_the_rule_inside():
    class Silent(SteeringRule):
        prefix = "silent."

    assert stepped(Silent(DESCENT))[0]["w"].tolist() == stepped(DESCENT)[0]["w"].tolist()


def test_the_rule_inside_sees_gradients_within_their_limits():
    class Halved(SteeringRule):
        prefix = "halved."

        def limits(self, grads, own, params, hparams, theta, info):
            return GradientLimits({name: torch.tensor(0.5) for name in grads})

    halved, whole = stepped(Halved(DESCENT))[0]["w"], stepped(DESCENT)[0]["w"]
    assert halved.tolist() == (whole / 2).tolist()
