"""The kit checks of a class without a rule what can be checked, and says what it leaves out."""

import math

import pytest
import torch

import metaopt
from metaopt.testing import check
from metaopt.testing.classes import CHECKS


class Sound(torch.optim.Optimizer):
    """Descent with noise from torch's global generator."""

    def __init__(self, params, lr: float = 0.05, noise: float = 1e-3):
        super().__init__(params, {"lr": lr, "noise": noise})

    @torch.no_grad()
    def step(self, closure=None):
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self.move(group, param)
        return loss

    def move(self, group, param):
        param.sub_(group["lr"] * (param.grad + group["noise"] * torch.randn_like(param)))


class Climbing(Sound):
    def move(self, group, param):
        param.add_(group["lr"] * param.grad)


class Still(Sound):
    def move(self, group, param):
        pass


class Meddling(Sound):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for param in group["params"]:
                param.mul_(0.9)


class Forgetful(Sound):
    """Keeps its momentum where no state_dict finds it."""

    def __init__(self, params, lr: float = 0.05):
        super().__init__(params, lr, 0.0)
        self.momenta = {}

    def move(self, group, param):
        self.momenta[param] = momentum = 0.9 * self.momenta.get(param, 0) + param.grad
        param.sub_(group["lr"] * momentum)


class OneRate(Sound):
    """Has the rate that it was made with, whatever its groups state."""

    def move(self, group, param):
        super().move({**group, "lr": self.defaults["lr"]}, param)


class Particular(Sound):
    """Says that it takes one rate."""

    def step(self, closure=None):
        if len({group["lr"] for group in self.param_groups}) > 1:
            raise RuntimeError("one rate for all groups")
        super().step(closure)


class Odd(Sound):
    """Its state holds a function."""

    def move(self, group, param):
        self.state[param]["memory"] = math.sqrt
        super().move(group, param)


def failures(cls):
    return {outcome.check: outcome.message for outcome in check(metaopt.optimizer_spec(cls)).failures}


def test_a_sound_class_passes_and_what_needs_a_rule_is_left_out():
    report = check(metaopt.optimizer_spec(Sound))
    statuses = {outcome.check: outcome.status for outcome in report.outcomes}
    assert report.passed
    assert {statuses[function.__name__] for function in CHECKS} == {"passed"}
    assert statuses["configuration_survives_json"] == "passed"
    left_out = [outcome for outcome in report.outcomes if outcome.check == "is_pure"]
    assert left_out[0].status == "skipped"
    assert left_out[0].message == "It needs a rule, and sound is a library's class without one."


def test_a_rule_is_not_checked_as_a_class():
    adamw = metaopt.plugin.current_registry().get(metaopt.OptimizerSpec, "adamw")
    names = {each.name for each in metaopt.testing.checks_for(adamw)}
    assert not names & {function.__name__ for function in CHECKS}


@pytest.mark.parametrize(
    ("cls", "name", "message"),
    [
        (Climbing, "lowers_a_loss", "It does not lower a loss to 0.9 times the start's; reached: "),
        (Still, "moves_what_is_trained", "12 steps moved nothing"),
        (Meddling, "moves_what_is_trained", "12 steps moved a parameter that requires no gradient."),
        (Odd, "has_a_plain_state", "torch.load(weights_only=True) refuses its state: "),
        (OneRate, "heeds_the_rates_of_groups", "A param group's own 'lr' has no effect: 12 steps at a tenth"),
        (Forgetful, "resumes_bit_for_bit", "6 steps after a resumption '0.weight' is off by"),
    ],
)
def test_what_is_wrong_is_said(cls, name, message):
    assert failures(cls)[name].startswith(message)


@pytest.mark.slow
@pytest.mark.parametrize("cls", [torch.optim.AdamW, torch.optim.Adagrad, torch.optim.RMSprop, torch.optim.LBFGS])
def test_torchs_own_classes_pass(cls):
    assert failures(cls) == {}


def test_a_class_that_refuses_several_rates_by_itself_passes():
    assert check(metaopt.optimizer_spec(Particular)).passed
