"""Groups that join later get what their roles have, behind one class too."""

import pytest
import torch
from torch import nn

import metaopt


def optimizer_of(name="adamw", **fields):
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    roles = {"matrix": {"rate": 0.5}, "head": {"rate": 2.0, "weight_decay": 0.25}}
    return metaopt.create_optimizer(name, model, lr=0.1, roles=roles, **fields)


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_a_group_gets_the_rate_and_the_decay_of_its_role(implementation):
    optimizer = optimizer_of(implementation=implementation)
    before = len(optimizer.param_groups)
    matrix, vector, head = (nn.Parameter(torch.ones(shape)) for shape in ((2, 2), (2,), (2, 2)))
    optimizer.add_param_group({"params": [matrix, vector]})
    optimizer.add_param_group({"params": [head], "role": "head"})
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2, 2))], "lr": 0.7, "betas": (0.5, 0.9)})
    added = optimizer.param_groups[before:]
    assert [(group["role"], group["lr"]) for group in added] == [
        ("matrix", 0.05),
        ("rest", 0.1),
        ("head", 0.2),
        ("matrix", 0.7),
    ]
    assert [group["weight_decay"] for group in added] == [0.01, 0.01, 0.25, 0.01]
    assert added[-1]["betas"] == (0.5, 0.9)
    for param in (matrix, vector, head):
        param.grad = torch.ones_like(param)
    optimizer.step()
    assert float(head.detach().max()) == pytest.approx(1 - 0.2 * 0.25 - 0.2, rel=1e-4)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert scheduler.get_last_lr()[before:] == pytest.approx([0.025, 0.05, 0.1, 0.35])


def test_a_class_that_makes_state_at_once_has_it_for_groups_that_join():
    optimizer = optimizer_of("adagrad", implementation="native", initial_accumulator_value=0.5)
    matrix = nn.Parameter(torch.ones(2, 2))
    optimizer.add_param_group({"params": [matrix]})
    matrix.grad = torch.ones_like(matrix)
    optimizer.step()
    assert float(optimizer.state[matrix]["sum"].max()) == 1.5


def test_a_role_that_is_none_and_a_parameter_that_is_there_are_refused():
    optimizer = optimizer_of()
    count = len(optimizer.param_groups)
    with pytest.raises(metaopt.InputError, match="A param group's role: A role is one of"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))], "role": "tail"})
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [optimizer.param_groups[0]["params"][0]]})
    assert len(optimizer.param_groups) == count


@pytest.mark.parametrize("name", ["po_muon", "po_adamuon", "po_adago"])
def test_a_class_is_told_which_of_the_groups_that_join_hold_matrices(name):
    pytest.importorskip("pytorch_optimizer")
    optimizer = metaopt.create_optimizer(name, nn.Linear(3, 4))
    before = len(optimizer.param_groups)
    matrix, vector = nn.Parameter(torch.ones(3, 2)), nn.Parameter(torch.ones(2))
    optimizer.add_param_group({"params": [matrix, vector], "lr": 0.5})
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(3, 2))], "use_muon": False})
    added = optimizer.param_groups[before:]
    assert [(group["use_muon"], group["params"][0].ndim) for group in added] == [(True, 2), (False, 1), (False, 2)]
    assert [group["lr"] for group in added[:2]] == [0.5, 0.5]
    for param in (matrix, vector):
        param.grad = torch.ones_like(param)
    optimizer.step()
    assert not torch.equal(matrix, torch.ones(3, 2))
    assert not torch.equal(vector, torch.ones(2))
