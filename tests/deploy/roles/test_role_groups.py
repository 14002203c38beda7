"""Param groups by role: what is cut, and what stays as users stated it."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.deploy.roles.role_groups import by_optimizer, filled, role_groups, roles_without_parameters
from metaopt.plugin.registry import current_registry


def network():
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))


def assembly(**fields):
    hparams = {"adamw.lr": 0.1, **fields.pop("hparams", {})}
    return assemble(Configuration("adamw", hparams=hparams, **fields), current_registry())


def shown(groups):
    return [
        (group["role"], [tuple(member[1].shape) for member in group["params"]], group.get("lr")) for group in groups
    ]


def test_parameters_that_share_all_share_a_group():
    groups = role_groups(network(), assembly(roles={"input": {"rate": 0.5}}, no_decay="none"))
    assert shown(groups) == [
        ("input", [(8, 3)], 0.05),
        ("rest", [(8,), (8, 8), (8,), (1, 8), (1,)], 0.1),
    ]


def test_vectors_are_spared_decay_unless_their_role_states_one():
    groups = role_groups(network(), assembly(roles={"matrix": {"rate": 0.5}}))
    assert [(group["role"], group.get("weight_decay")) for group in groups] == [
        ("rest", None),
        ("rest", 0.0),
        ("matrix", None),
    ]
    stated = role_groups(network(), assembly(roles={"vector": {"weight_decay": 0.3}}))
    filled_groups = [filled(assembly(roles={"vector": {"weight_decay": 0.3}}), group) for group in stated]
    assert [(group["role"], group["weight_decay"]) for group in filled_groups] == [("rest", 0.01), ("vector", 0.3)]


def test_layers_have_groups_of_their_own_where_rates_depend_on_them():
    groups = role_groups(network(), assembly(depth_decay=0.5, no_decay="none"))
    assert shown(groups) == [
        ("rest", [(8, 3), (8,)], 0.025),
        ("rest", [(8, 8), (8,)], 0.05),
        ("rest", [(1, 8), (1,)], 0.1),
    ]


def test_tensors_have_groups_of_their_own_where_rates_depend_on_their_fan_in():
    model = nn.Sequential(nn.Conv2d(3, 8, 5), nn.Conv2d(8, 8, 3, groups=2), nn.Flatten(), nn.Linear(32, 2))
    roles = {"input": {"fan_in": 15}, "matrix": {"fan_in": 72, "rate": 0.5}}
    groups = role_groups(model, assembly(roles=roles, no_decay="none"))
    assert shown(groups) == [
        ("input", [(8, 3, 5, 5)], pytest.approx(0.02)),
        ("rest", [(8,), (8,), (2, 32), (2,)], 0.1),
        ("matrix", [(8, 4, 3, 3)], 0.05),
    ]
    assert groups[0]["lr_ratio"] == pytest.approx(0.2)
    two = [torch.zeros(2, 30), torch.zeros(2, 60), torch.zeros(4, 60), torch.zeros(2, 3)]
    by_factor = role_groups([{"params": two, "role": "input"}], assembly(roles=roles, no_decay="none"))
    assert [(group["lr"], len(group["params"])) for group in by_factor] == [(0.05, 1), (0.025, 2), (0.1, 1)]


def test_what_a_group_states_stays():
    model = network()
    groups = [
        {"params": model[0].named_parameters("first"), "lr": 7.0},
        {"params": model[2].named_parameters("second"), "role": "head"},
        {"params": model[4].named_parameters("third"), "role": "rest", "weight_decay": 0.5},
    ]
    roles = {"head": {"rate": 0.5}, "matrix": {"optimizer": "sgd"}}
    found = role_groups(groups, assembly(roles=roles, depth_decay=0.5, no_decay="none"))
    assert shown(found) == [
        ("matrix", [(8, 3)], 7.0),
        ("rest", [(8,)], 7.0),
        ("head", [(8, 8), (8,)], 0.025),
        ("rest", [(1, 8), (1,)], 0.1),
    ]
    assert "lr_ratio" not in found[0]
    assert found[2]["lr_ratio"] == 0.25
    assert found[3]["weight_decay"] == 0.5


def test_patterns_override_what_was_found_in_a_model_and_in_named_parameters():
    roles = {"head": {"rate": 0.5}}
    for params in (network(), network().named_parameters()):
        groups = role_groups(params, assembly(roles=roles, no_decay="none"), {"2.*": "head", "4.*": "matrix"})
        assert ("head", [(8, 8), (8,)], 0.05) in shown(groups)
        assert len(groups) == 2


def test_a_group_s_role_is_known_by_name():
    with pytest.raises(metaopt.InputError, match=r"A param group's role: A role is one of .*, got 'tail'"):
        role_groups([{"params": [torch.zeros(2)], "role": "tail"}], assembly(roles={"head": {"rate": 0.5}}))


def test_an_optimizer_for_matrices_alone_trains_a_bare_list_of_matrices(normed):
    spec = assemble(Configuration("normed"), current_registry())
    assert len(role_groups([torch.zeros(2, 3)], spec)) == 1
    with pytest.raises(metaopt.InputError, match=r"such as adamw with roles="):
        role_groups(network(), spec)


def test_roles_that_nothing_has_are_named():
    whole = assembly(roles={"embedding": {"rate": 0.5}, "head": {"rate": 2.0}})
    sentence = roles_without_parameters(whole, role_groups(network(), whole))
    assert sentence is not None
    assert sentence.startswith("No parameter has the role embedding; leave out what is stated for that role")
    assert roles_without_parameters(assembly(), role_groups(network(), assembly())) is None


def group(**keys):
    return {"params": [nn.Parameter(torch.ones(2, 2))], **keys}


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_a_hyperparameter_of_another_optimizer_is_refused(implementation):
    with pytest.raises(metaopt.InputError, match=r"A param group states 'momentum', which .* have and adamw has not"):
        metaopt.create_optimizer("adamw", [group(momentum=0.9)], implementation=implementation)
    roles = {"matrix": {"rate": 0.5}}
    optimizer = metaopt.create_optimizer("adamw", [group()], roles=roles, implementation=implementation)
    with pytest.raises(metaopt.InputError, match=r"states 'nesterov', .*; leave it out, or choose another optimizer"):
        optimizer.add_param_group(group(nesterov=True))
    assert len(optimizer.param_groups) == 1


def test_what_one_of_several_optimizers_has_may_be_stated():
    roles = {"matrix": {"optimizer": "sgd"}}
    groups = [group(momentum=0.5), {"params": [nn.Parameter(torch.ones(2))]}]
    optimizer = metaopt.create_optimizer("adamw", groups, roles=roles)
    assert optimizer.param_groups[0]["momentum"] == 0.5


def test_names_of_one_s_own_arguments_of_the_class_and_no_decay_stay():
    optimizer = metaopt.create_optimizer("adamw", [group(title="first", foreach=False, initial_lr=0.1)])
    assert optimizer.param_groups[0]["title"] == "first"
    assert metaopt.create_optimizer("muon", [group(weight_decay=0.0)]).param_groups[0]["weight_decay"] == 0.0


def test_groups_belong_to_the_optimizer_of_their_role():
    groups = [{"params": [0], "role": "matrix"}, {"params": [1], "role": "rest"}, {"params": [2], "role": "matrix"}]
    assert by_optimizer(groups, assembly(roles={"matrix": {"optimizer": "sgd"}})) == {"sgd": [0, 2], "adamw": [1]}
    assert by_optimizer(groups, assembly(roles={"matrix": {"rate": 0.5}})) == {"adamw": [0, 1, 2]}
