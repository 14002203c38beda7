import json

import numpy as np
import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.plugin.registry import Registry

REGISTRY = Registry.discover()


def assembled(*args, **fields):
    return assemble(Configuration(*args, **fields), REGISTRY)


def test_a_configuration_is_what_it_says_in_any_order():
    first = Configuration("adamw", "cosine", hparams={"adamw.lr": 1e-3, "cosine.warmup": 0.1})
    second = Configuration("adamw", "cosine", hparams={"cosine.warmup": 0.1, "adamw.lr": 1e-3})
    assert first == second
    assert first.key == second.key
    assert {first: "found"}[second] == "found"


@pytest.mark.parametrize(
    "other",
    [
        Configuration("nadamw", "cosine", hparams={}),
        Configuration("adamw", "linear"),
        Configuration("adamw", "cosine", hparams={"adamw.lr": 2e-3}),
        Configuration("adamw", "cosine", wrappers=("averaged",)),
        Configuration("adamw", "cosine", no_decay="none"),
    ],
)
def test_whatever_differs_gives_another_key(other):
    assert Configuration("adamw", "cosine").key != other.key


def test_a_key_is_the_same_in_every_process_and_release():
    assert Configuration("adamw", "cosine", hparams={"adamw.lr": 1e-3}).key == "96bb46f3959b1553"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0.0, -0.0),
        (0, -0.0),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.bool_(True), True),
        (10**400, 10**400),
        (float("inf"), np.inf),
        (float("nan"), np.nan),
        ((1, 2), [1.0, 2.0]),
    ],
)
def test_equal_values_give_equal_configurations_and_one_key(one, other):
    first, second = (Configuration("adamw", hparams={"adamw.lr": value}) for value in (one, other))
    assert first.key == second.key
    assert first == second
    assert len({first, second}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (0, False), (1, "1"), (1, 1 + 1e-15), (2**53, 2**53 + 1), (10**400, 10**400 + 1), (10**400, "1e400")],
)
def test_other_values_give_other_configurations(one, other):
    first, second = (Configuration("adamw", hparams={"adamw.lr": value}) for value in (one, other))
    assert first.key != second.key
    assert first != second


def test_wrappers_may_be_a_tuple_or_a_list():
    first, second = (Configuration("adamw", wrappers=kind(["averaged"])) for kind in (tuple, list))
    assert first == second
    assert first.key == second.key
    assert first != "adamw"


def test_what_is_written_down_keeps_its_type():
    written = json.dumps(Configuration("adamw", hparams={"adamw.lr": 1, "adamw.eps": 1.0}).to_json())
    assert '"adamw.lr": 1,' in written or '"adamw.lr": 1}' in written
    assert (
        Configuration.from_json(json.loads(written)).key
        == Configuration("adamw", hparams={"adamw.lr": 1.0, "adamw.eps": 1}).key
    )


def test_json_brings_back_the_same_configuration():
    whole = Configuration("sgd", "wsd", ("averaged",), {"sgd.nesterov": True, "averaged.kind": "ema"}, "none")
    assert Configuration.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert Configuration.from_json({"optimizer": "sgd"}) == Configuration("sgd")


def test_assembling_fills_in_defaults_and_prefixes_those_of_wrappers():
    assembly = assembled(
        "adamw", "cosine", ("averaged",), {"adamw.lr": 0.5, "averaged.decay": 0.95, "cosine.warmup": 0.1}
    )
    assert assembly.rule_values["lr"] == 0.5
    assert assembly.rule_values["beta1"] == 0.9
    assert assembly.rule_values["averaged.decay"] == 0.95
    assert assembly.controller_values["warmup"] == 0.1
    assert assembly.wrappers_names == ("averaged",)
    assert assembly.structure == ("adamw", "averaged", "1d")


def test_numbers_are_what_rules_compute_with():
    numbers = assembled("sgd", hparams={"sgd.momentum": 0.9, "sgd.nesterov": True}).rule_numbers()
    assert numbers["nesterov"] == 1.0
    assert all(isinstance(value, float) for value in numbers.values())


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg", "mechanic"])
def test_under_a_wrapper_that_sets_the_rate_lr_is_a_factor_of_1_unless_stated(wrapper):
    assert assembled("adamw", wrappers=(wrapper,)).rule_numbers()["lr"] == 1.0
    assert assembled("adamw", wrappers=(wrapper,), hparams={"adamw.lr": 0.5}).rule_numbers()["lr"] == 0.5
    assert assembled("adamw", wrappers=(wrapper, "averaged")).rule_numbers()["lr"] == 1.0
    assert assembled("adamw", wrappers=("averaged",)).rule_numbers()["lr"] == 1e-3


def test_the_innermost_wrapper_says_what_an_lr_of_any_range_is():
    registry = Registry()
    rule = metaopt.per_tensor(lambda *_: {}, lambda grad, state, param, hparams, *_: (-hparams["lr"] * grad, state))
    space = {"lr": metaopt.Float(1e-4, 1e-1, log=True)}
    registry.register(metaopt.OptimizerSpec(name="narrow", version="1", rule=rule, space=space))
    for name, rate in (("inner", 2.0), ("outer", 3.0)):
        spec = metaopt.WrapperSpec(name=name, version="1", wrap=lambda rule: rule, inner_lr=rate)
        registry.register(spec)
    registry.register(REGISTRY.get(metaopt.ControllerSpec, "constant"))
    assert assemble(Configuration("narrow", wrappers=("inner", "outer")), registry).rule_values["lr"] == 2.0


@pytest.mark.parametrize("rate", [0, -1.0, float("inf"), float("nan"), "1", True])
def test_an_inner_rate_that_is_none_is_refused(rate):
    with pytest.raises(metaopt.PluginError, match="inner_lr must be a positive number or None"):
        metaopt.WrapperSpec(name="mine", version="1", wrap=lambda rule: rule, inner_lr=rate)


def test_weight_decay_spares_vectors_unless_told_otherwise():
    params = dict(nn.Linear(3, 2).named_parameters())
    for no_decay, on_bias in (("1d", 0.0), ("none", 0.25)):
        hparams = assembled("adamw", hparams={"adamw.weight_decay": 0.25}, no_decay=no_decay).tensor_hparams(params)
        assert hparams["weight"]["weight_decay"] == 0.25
        assert hparams["bias"]["weight_decay"] == on_bias
        assert hparams["bias"]["lr"] == hparams["weight"]["lr"] == torch.tensor(1e-3)


def test_signals_are_collected_from_all_plugins():
    assert assembled("adamw", "cosine").requires == {"horizon"}
    assert assembled("adamw", "plateau").requires == {"metric"}


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"optimizer": "adamv"}, metaopt.PluginError, "adamv"),
        ({"optimizer": "adamw", "controller": "cosin"}, metaopt.PluginError, "cosin"),
        ({"optimizer": "adamw", "wrappers": ("avg",)}, metaopt.PluginError, "avg"),
        ({"optimizer": "adamw", "hparams": {"lr": 1e-3}}, metaopt.InputError, "'plugin.hyperparameter'"),
        ({"optimizer": "adamw", "hparams": {"lion.lr": 1e-3}}, metaopt.InputError, "belongs to none of"),
        ({"optimizer": "adamw", "hparams": {"adamw.rate": 1e-3}}, metaopt.InputError, "beta1"),
        ({"optimizer": "adamw", "hparams": {"adamw.lr": -1.0}}, metaopt.InputError, "lr"),
        ({"optimizer": "adamw", "no_decay": "2d"}, metaopt.InputError, "no_decay must be '1d' or 'none', got '2d'"),
    ],
)
def test_mistakes_are_named(fields, error, message):
    with pytest.raises(error, match=message):
        assembled(**fields)


def test_an_optimizer_without_a_rate_takes_no_controller():
    registry = Registry.discover()
    rule = metaopt.per_tensor(lambda *_: {}, lambda grad, state, *_: (-grad, state))
    registry.register(metaopt.OptimizerSpec(name="plain", version="1", rule=rule))
    assert assemble(Configuration("plain"), registry).rule is rule
    with pytest.raises(metaopt.PluginError, match="plain has no lr for the controller 'cosine'"):
        assemble(Configuration("plain", "cosine"), registry)


def test_a_class_whose_rate_has_no_number_asks_for_one():
    class Rateless(torch.optim.SGD):
        def __init__(self, params, lr: float | None = None, momentum: float = 0.0):
            super().__init__(params, lr=lr or 0.1, momentum=momentum)

    registry = Registry.discover()
    registry.register(metaopt.optimizer_spec(Rateless))
    message = r"use controller 'constant', or state a rate: optimizer_spec\(Rateless, lr=metaopt\.Float\(.*\)\)\."
    with pytest.raises(metaopt.PluginError, match=message):
        assemble(Configuration("rateless", "cosine"), registry)
    stated = metaopt.optimizer_spec(Rateless, name="rated", lr=metaopt.Float(1e-4, 1e-1, log=True))
    registry.register(stated)
    assert assemble(Configuration("rated", "cosine"), registry).optimizer is stated


def test_a_configuration_prints_as_what_makes_it_again():
    configuration = Configuration("adamw", "cosine", ["averaged"], {"adamw.lr": 0.1}, no_decay="none")
    assert eval(repr(configuration)) == configuration
    assert repr(Configuration("adamw")) == "Configuration(optimizer='adamw', controller='constant')"


def test_of_many_hyperparameters_the_first_ones_are_printed():
    shown = repr(metaopt.load_recipe("default").configuration)
    assert shown.startswith("Configuration(optimizer='schedulefree_adamw', controller='linear', hparams={'linear.")
    assert "…, roles='input, matrix', rate_law=" in shown
    assert len(shown) <= 220


def test_a_learner_stands_alone_and_survives_json():
    configuration = Configuration(learner="protonet", hparams={"protonet.temperature": 2.0})
    assert Configuration.from_json(json.loads(json.dumps(configuration.to_json()))) == configuration
    assert configuration.to_json() == {"learner": "protonet", "hparams": {"protonet.temperature": 2.0}}
    assert configuration.key != Configuration("protonet", hparams={"protonet.temperature": 2.0}).key
    assert configuration.optimizers == ()
    assert "protonet" in repr(configuration)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "names an optimizer or a learner, and this one names neither"),
        ({"learner": "protonet", "optimizer": "sgd"}, "nothing but hparams beside it; leave out optimizer"),
        ({"learner": "protonet", "controller": "cosine"}, "leave out controller"),
        ({"learner": "protonet", "wrappers": ["clip"]}, "leave out wrappers"),
        ({"learner": 3}, "learner must be the name of a plugin, got 3"),
    ],
)
def test_a_learner_beside_other_plugins_is_refused(fields, message):
    with pytest.raises(metaopt.InputError, match=message):
        Configuration(**fields)


def test_values_of_tasks_are_part_of_a_configuration_where_there_are_any():
    plain, own = metaopt.Configuration("adamw"), metaopt.Configuration("adamw", values={"width": np.int64(3), "a": 1})
    assert "values" not in plain.to_json()
    assert own.to_json()["values"] == {"a": 1, "width": 3}
    assert plain.key != own.key
    assert own == metaopt.Configuration("adamw", values={"a": 1.0, "width": 3.0})
    assert metaopt.Configuration.from_json(own.to_json()) == own
    assert "values={'a': 1, 'width': 3}" in repr(own)
    for values, fault in (([1], "must map names"), ({"a": None}, "got None"), ({"a": float("nan")}, "got nan")):
        with pytest.raises(metaopt.InputError, match=fault):
            metaopt.Configuration("adamw", values=values)
    with pytest.raises(metaopt.InputError, match="leave out values"):
        metaopt.Configuration(learner="protonet", values={"a": 1})
