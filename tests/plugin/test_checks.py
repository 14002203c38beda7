"""A declaration that cannot be meant is refused where it is made, with its plugin's name and what to write."""

import dataclasses
import math

import pytest
import torch

import metaopt
from metaopt import PluginError, When
from metaopt.plugin.checks import (
    check_declaration,
    check_functions,
    check_inner_lr,
    check_packs,
    check_signals,
    names_of_signals,
)

DESCENT = metaopt.per_tensor(lambda *_: {}, lambda grad, *_: (-grad, {}))
SPACE = {"lr": metaopt.Float(1e-3, 1.0, log=True), "beta1": metaopt.Float(0.0, 0.9), "beta2": metaopt.Float(0.0, 0.9)}


def optimizer(**fields):
    return metaopt.OptimizerSpec(**{"name": "mine", "version": "1", "rule": DESCENT, "space": SPACE, **fields})


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "Mine"}, r"OptimizerSpec\(name='Mine'\): a name consists of lower case letters, digits and '_'"),
        ({"name": "my-own"}, "a name consists of lower case letters"),
        ({"name": ""}, "a name consists of lower case letters"),
        ({"name": 3}, "a name consists of lower case letters"),
        ({"name": "x" * 81}, "a name consists of .* 80 at most"),
        ({"version": 1}, "version must be a string such as '1', got 1"),
        ({"version": ""}, "version must be a string such as '1', got ''"),
        ({"api": 2}, r"was written for api 2; this metaopt has api 1"),
        ({"space": {"lr": (1e-3, 1.0)}}, r"space\['lr'\] must be a Float, Int or Categorical, got \(0\.001, 1\.0\)"),
        ({"requires_when": {"loss": When("beta3", above=0.0)}}, r"names the unknown hyperparameter 'beta3'"),
    ],
)
def test_what_every_kind_declares_is_checked(fields, sentence):
    with pytest.raises(PluginError, match=sentence):
        optimizer(**fields)


def test_a_sound_declaration_passes():
    spec = optimizer(name="x" * 80, requires_when={"loss": When("beta1", above=0.5)})
    assert check_declaration(spec) is None
    assert check_signals(spec) is None


@pytest.mark.parametrize("names", [["loss"], ("loss", "loss"), {"loss"}, frozenset({"loss"})])
def test_names_of_signals_become_a_set(names):
    assert names_of_signals(optimizer(), "requires", names) == frozenset({"loss"})


def test_what_a_group_packs_is_in_the_space():
    assert check_packs(optimizer(), {"betas": ("beta1", "beta2")}) is None
    with pytest.raises(PluginError, match=r"OptimizerSpec\(name='mine'\): packs\['betas'\] names unknown \['beta3'\]"):
        check_packs(optimizer(), {"betas": ("beta1", "beta3")})


class Silent:
    def init(self, hparams):
        return {}


class Halving(Silent):
    def update(self, state, info, hparams):
        return metaopt.Rate(torch.full((), 0.5)), state


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"controller": Silent()}, "controller must have init and update"),
        ({"cadence": "epoch"}, "cadence must be 'table', 'step' or 'validation', got 'epoch'"),
        ({"requires": {"metric"}}, "requires metric, which nobody knows .* say cadence='step' or 'validation'"),
        ({"requires": {"metric", "loss"}, "cadence": "validation"}, r"requires loss, .* say cadence='step', or"),
    ],
)
def test_a_controller_is_asked_when_what_it_requires_is_known(fields, sentence):
    sound = metaopt.ControllerSpec(name="mine", version="1", controller=Halving(), space={}, cadence="table")
    with pytest.raises(PluginError, match=sentence):
        dataclasses.replace(sound, **fields)


def fires(batch, hparams):
    return batch.values > 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, r"StopperSpec\(name='mine'\) needs exactly one of fires= and factory="),
        ({"fires": fires, "factory": fires}, "needs exactly one of fires= and factory="),
        ({"fires": fires, "fit": fires}, "fit=, fires= and theta_shapes= come together"),
        ({"factory": fires, "uses": {"train_loss"}}, "uses= is for policies with fires="),
    ],
)
def test_a_stopper_has_one_form(fields, sentence):
    with pytest.raises(PluginError, match=sentence):
        metaopt.StopperSpec(name="mine", version="1", **fields)


def test_a_rule_that_is_none_is_told_what_it_lacks():
    with pytest.raises(PluginError, match=r"rule lacks \['granularity', 'update', 'start', 'evaluation_params'\]"):
        metaopt.OptimizerSpec(name="mine", version="1", rule=Silent())
    assert metaopt.OptimizerSpec(name="mine", version="1", rule=DESCENT).rule is DESCENT


@pytest.mark.parametrize("rate", [0, -1.0, math.inf, math.nan, True, "0.1"])
def test_the_rate_inside_a_wrapper_is_a_positive_number(rate):
    with pytest.raises(PluginError, match=r"WrapperSpec\(name='mine'\): inner_lr must be a positive number or None"):
        check_inner_lr("mine", rate)


@pytest.mark.parametrize("rate", [None, 1, 0.1])
def test_a_wrapper_may_leave_the_rate_inside_open(rate):
    assert check_inner_lr("mine", rate) is None


def test_what_is_given_for_a_function_can_be_called():
    assert check_functions(optimizer(), load=fires) is None
    with pytest.raises(PluginError, match=r"OptimizerSpec\(name='mine'\): load must be a function, got 'lines\.csv'"):
        check_functions(optimizer(), load="lines.csv")
