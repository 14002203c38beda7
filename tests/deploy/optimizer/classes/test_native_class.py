"""When a library's class takes the place of a rule, and how it is built."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from metaopt import Configuration, Native, PluginError
from metaopt.configuration import assemble
from metaopt.deploy.optimizer.classes.native_class import build_native, maximizes, native_class, obstacle
from metaopt.deploy.optimizer.parameters import as_groups, without_names
from metaopt.plugin import current_registry


def assembled(optimizer, wrappers=(), **hparams):
    full = {f"{optimizer}.{name}": value for name, value in hparams.items()}
    return assemble(Configuration(optimizer, wrappers=wrappers, hparams=full), current_registry())


def groups_of(dtype=torch.float32):
    return without_names(as_groups(nn.Linear(3, 2, dtype=dtype)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["adamw", "sgd", "rmsprop", "schedulefree_adamw"])
def test_nothing_is_in_the_way_of_a_class_that_computes_the_same(name, dtype):
    assert obstacle(assembled(name), groups_of(dtype)) is None


@pytest.mark.parametrize(
    ("assembly", "keywords", "reason"),
    [
        (assembled("lion"), {}, "no library's class computes the same"),
        (assembled("adamw", ("averaged",)), {}, "it is wrapped in averaged"),
        (assembled("adamw"), {"theta": {"weights": torch.ones(1)}}, "it was given theta"),
        (assembled("schedulefree_adamw"), {"maximize": True}, "schedulefree.AdamWScheduleFree has no maximize"),
    ],
)
def test_what_is_in_the_way_is_said(assembly, keywords, reason):
    assert obstacle(assembly, groups_of(), **keywords) == reason


def test_a_class_would_keep_its_state_in_a_low_precision():
    assert "a parameter is torch.bfloat16, and AdamW would keep" in obstacle(
        assembled("adamw"), groups_of(torch.bfloat16)
    )


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((3, 2), None),
        ((3, 2, 2), "a parameter has 3 dimensions, and SGD takes 2"),
        ((0, 2), "a parameter has no numbers, which SGD does not take"),
    ],
)
def test_a_class_says_which_parameters_it_takes(shape, reason):
    assembly = assembled("sgd")
    native = replace(assembly.optimizer.native, dims=2, takes_empty=False)
    assembly = replace(assembly, optimizer=replace(assembly.optimizer, native=native))
    assert obstacle(assembly, as_groups([torch.zeros(shape, requires_grad=True)])) == reason


def test_a_distribution_that_is_not_installed_is_named():
    with pytest.raises(PluginError, match=r"nowhere.Best cannot be imported; pip install best-optimizer"):
        native_class(Native(module="nowhere", qualname="Best", distribution="best-optimizer"))


@pytest.mark.parametrize(
    ("qualname", "sentence"),
    [
        ("AdamWW", "torch.optim has no 'AdamWW'; did you mean 'AdamW'? Correct qualname of the Native."),
        ("AdamW.Inner", "torch.optim has no 'AdamW.Inner'; correct qualname of the Native."),
        ("zzz", "torch.optim has no 'zzz'; correct qualname of the Native."),
        ("lr_scheduler", "torch.optim.lr_scheduler is a module and no class; correct qualname of the Native."),
    ],
)
def test_a_class_that_its_library_lacks_is_named(qualname, sentence):
    with pytest.raises(PluginError) as raised:
        native_class(Native(module="torch.optim", qualname=qualname))
    assert str(raised.value) == sentence


def test_a_class_heeds_maximize_or_not():
    assert maximizes(torch.optim.AdamW)
    assert not maximizes(torch.optim.LBFGS)


def test_each_group_holds_its_own_hyperparameters_and_dense_parameters_are_fused():
    weight, bias = torch.ones(2, 2, requires_grad=True), torch.ones(2, requires_grad=True)
    groups = [{"params": [weight], "beta1": 0.5}, {"params": [bias], "lr": 0.25}]
    optimizer = build_native(assembled("adamw", lr=0.125, beta2=0.75), groups)
    assert type(optimizer) is torch.optim.AdamW
    assert [group["betas"] for group in optimizer.param_groups] == [(0.5, 0.75), (0.9, 0.75)]
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.25]
    assert all(group["fused"] for group in optimizer.param_groups)


def test_a_parameter_with_gaps_in_memory_keeps_the_class_from_being_fused():
    sliced = torch.ones(4, 4)[:, ::2].requires_grad_()
    optimizer = build_native(assembled("adamw"), [{"params": [sliced]}])
    assert not any(group["fused"] for group in optimizer.param_groups)


def test_a_class_with_modes_begins_in_training_mode():
    optimizer = build_native(assembled("schedulefree_adamw"), groups_of())
    assert all(group["train_mode"] for group in optimizer.param_groups)
