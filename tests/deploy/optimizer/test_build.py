"""create_optimizer gives the library's class where it computes the same, and the rule elsewhere."""

import dataclasses
import sys

import numpy as np
import pytest
import schedulefree
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.deploy import build_optimizer
from metaopt.plugin.registry import current_registry

NATIVE = {
    "adagrad": torch.optim.Adagrad,
    "adamw": torch.optim.AdamW,
    "nadamw": torch.optim.NAdam,
    "rmsprop": torch.optim.RMSprop,
    "schedulefree_adamw": schedulefree.AdamWScheduleFree,
    "sgd": torch.optim.SGD,
}
RULE_ONLY = ("lion", "prodigy")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, num_steps: int) -> list[torch.Tensor]:
    for step in range(num_steps):
        inputs = torch.randn(16, 3, generator=torch.Generator().manual_seed(step)).to(next(model.parameters()).dtype)
        optimizer.zero_grad()
        (model(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean().backward()
        optimizer.step()
    return [param.detach().clone() for param in model.parameters()]


@pytest.mark.parametrize("name", NATIVE)
def test_an_optimizer_with_a_native_class_is_that_class(name):
    assert type(metaopt.create_optimizer(name, network())) is NATIVE[name]


@pytest.mark.parametrize("name", RULE_ONLY)
def test_one_without_runs_its_rule(name):
    assert type(metaopt.create_optimizer(name, network())) is metaopt.RuleOptimizer


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("no_decay", ["1d", "none"])
def test_the_native_class_and_the_rule_take_the_same_steps(name, no_decay):
    trained = []
    for implementation in ("native", "rule"):
        model = network()
        groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.02}]
        optimizer = metaopt.create_optimizer(
            name, groups, lr=0.01, weight_decay=0.1, no_decay=no_decay, implementation=implementation
        )
        trained.append(train(model, optimizer, 30))
    torch.testing.assert_close(*trained, rtol=1e-5, atol=2e-6)


def test_it_is_fused_where_it_can_be():
    assert metaopt.create_optimizer("adamw", network()).defaults["fused"] is True


@pytest.mark.parametrize(
    ("reason", "options", "change"),
    [
        (r"it is wrapped in averaged", {"wrappers": ["averaged"]}, lambda model: model),
        (r"it was given theta", {"theta": {"a": torch.ones(1)}}, lambda model: model),
        (r"a parameter is torch\.bfloat16, and AdamW would keep its state", {}, lambda model: model.bfloat16()),
    ],
)
def test_where_the_native_class_cannot_serve_the_rule_does_and_forcing_it_says_why(reason, options, change):
    model = change(network())
    assert type(metaopt.create_optimizer("adamw", model, **options)) is metaopt.RuleOptimizer
    with pytest.raises(metaopt.PluginError, match=f"'adamw' cannot run as a library's class here: {reason}"):
        metaopt.create_optimizer("adamw", model, implementation="native", **options)


def test_an_optimizer_without_a_native_class_says_so_when_it_is_forced():
    with pytest.raises(
        metaopt.PluginError, match=r"'lion' cannot run as .* here: no library's class computes the same"
    ):
        metaopt.create_optimizer("lion", network(), implementation="native")


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    assembly = assemble(Configuration("adamw"), current_registry())
    native = metaopt.Native(module="nowhere", qualname="AdamW", distribution="nowhere-optim")
    assembly = dataclasses.replace(assembly, optimizer=dataclasses.replace(assembly.optimizer, native=native))
    assert "nowhere" not in sys.modules
    assert type(build_optimizer(assembly, network())) is metaopt.RuleOptimizer
    with pytest.raises(metaopt.PluginError, match=r"nowhere-optim is not installed \(pip install nowhere-optim\)"):
        build_optimizer(assembly, network(), implementation="native")


def test_a_class_without_maximize_leaves_it_to_the_rule():
    assert type(metaopt.create_optimizer("schedulefree_adamw", network(), maximize=True)) is metaopt.RuleOptimizer
    assert metaopt.create_optimizer("adamw", network(), maximize=True).defaults["maximize"] is True


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_hyperparameters_are_taken_by_name_or_packed(implementation):
    for keywords in (
        {"beta1": 0.8, "beta2": 0.9},
        {"betas": (0.8, 0.9)},
        {"betas": [0.8, torch.tensor(0.9, dtype=torch.float64)]},
    ):
        optimizer = metaopt.create_optimizer("adamw", network(), implementation=implementation, **keywords)
        assert optimizer.param_groups[0]["betas"] == (0.8, 0.9)


def test_a_wrappers_hyperparameters_carry_its_name():
    optimizer = metaopt.create_optimizer("adamw", network(), wrappers=["averaged"], **{"averaged.decay": 0.5})
    assert optimizer.param_groups[0]["averaged.decay"] == 0.5


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_parameters_of_one_dimension_are_spared_weight_decay_in_a_group_of_their_own(implementation):
    optimizer = metaopt.create_optimizer(
        "adamw", network(), no_decay="1d", weight_decay=0.1, implementation=implementation
    )
    decayed, spared = optimizer.param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert {param.ndim for param in decayed["params"]} == {2}
    assert {param.ndim for param in spared["params"]} == {1}


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_a_group_that_states_its_weight_decay_is_left_as_it_is(implementation):
    groups = [{"params": network().parameters(), "weight_decay": 0.2}]
    optimizer = metaopt.create_optimizer("adamw", groups, no_decay="1d", implementation=implementation)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.2]


def test_create_optimizer_decays_everything_unless_told_otherwise_as_torch_does():
    assert len(metaopt.create_optimizer("adamw", network()).param_groups) == 1


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_an_unnamed_group_may_join_an_optimizer_made_from_a_model(implementation):
    optimizer = metaopt.create_optimizer("adamw", network(), implementation=implementation)
    optimizer.add_param_group({"params": nn.Linear(2, 1).parameters()})
    assert len(optimizer.param_groups) == 2


def test_groups_are_checked_before_a_native_class_sees_them():
    groups = [{"params": network().parameters(), "lr": -1.0}]
    with pytest.raises(metaopt.InputError, match=r"adamw\.lr must be in \[0, inf\), got -1\.0"):
        metaopt.create_optimizer("adamw", groups)


def test_mistakes_get_a_sentence():
    with pytest.raises(metaopt.PluginError, match="There is no optimizer 'adamv'; did you mean 'adamw'"):
        metaopt.create_optimizer("adamv", network())
    with pytest.raises(metaopt.InputError, match="adamw has no hyperparameter 'momentum'; valid: beta1"):
        metaopt.create_optimizer("adamw", network(), momentum=0.9)
    with pytest.raises(metaopt.InputError, match="implementation must be 'auto', 'native' or 'rule', got 'fast'"):
        metaopt.create_optimizer("adamw", network(), implementation="fast")
    with pytest.raises(metaopt.InputError, match=r"The model Sequential has no parameters to train"):
        metaopt.create_optimizer("adamw", nn.Sequential())


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_a_group_may_state_a_hyperparameter_by_its_own_name_and_keeps_the_others_of_the_pack(implementation):
    groups = [{"params": network().parameters(), "beta1": 0.5, "name": "body"}]
    (group,) = metaopt.create_optimizer("adamw", groups, beta2=0.99, implementation=implementation).param_groups
    assert group["betas"] == (0.5, 0.99)
    assert group["name"] == "body"
    assert "beta1" not in group


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_a_hyperparameter_stated_twice_is_refused(implementation):
    twice = {"beta1": 0.5, "betas": (0.9, 0.99)}
    with pytest.raises(metaopt.InputError, match="adamw got betas and beta1, which it holds; give one of them"):
        metaopt.create_optimizer("adamw", network(), implementation=implementation, **twice)
    groups = [{"params": network().parameters(), **twice}]
    with pytest.raises(metaopt.InputError, match="adamw got betas and beta1, which it holds; give one of them"):
        metaopt.create_optimizer("adamw", groups, implementation=implementation)


@pytest.mark.parametrize("lr", [np.float32(0.5), np.float64(0.5), np.int64(2), torch.tensor(0.5)])
def test_numbers_of_other_libraries_are_numbers(lr):
    assert metaopt.create_optimizer("adamw", network(), lr=lr).param_groups[0]["lr"] == float(lr)


def test_several_numbers_for_one_hyperparameter_are_refused():
    with pytest.raises(metaopt.InputError, match=r"A hyperparameter is one number, got a tensor of shape \(2,\)"):
        metaopt.create_optimizer("adamw", network(), lr=torch.tensor([0.1, 0.2]))


def test_names_and_wrappers_that_cannot_be_get_a_sentence():
    with pytest.raises(
        metaopt.PluginError, match=r"A plugin \(optimizer\) is looked up by its name, a string, got None"
    ):
        metaopt.create_optimizer(None, network())
    with pytest.raises(
        metaopt.InputError, match=r"wrappers must be a list of names, got 'averaged'; write \['averaged'\]"
    ):
        metaopt.create_optimizer("adamw", network(), wrappers="averaged")
    with pytest.raises(metaopt.InputError, match="but averaged comes more than once"):
        metaopt.create_optimizer("adamw", network(), wrappers=["averaged", "averaged"])
