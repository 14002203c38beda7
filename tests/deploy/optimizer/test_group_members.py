"""Every parameter of an optimizer has a name of its own, and a gradient to go down."""

import pytest
import torch

import metaopt
from metaopt import Configuration
from metaopt.configuration import assemble
from metaopt.deploy.optimizer.group_members import GroupMember, GroupNumbers, KnownMembers, group_members
from metaopt.deploy.optimizer.parameters import distributions, packed
from metaopt.plugin import current_registry


def groups_of(*named):
    return [
        {"params": [torch.zeros(1) for _ in range(count)], **({} if names is None else {"param_names": names})}
        for count, names in named
    ]


NAMES = {
    "numbered through": ([(2, None), (1, None)], ["0", "1", "2"]),
    "as they are called": ([(2, ["weight", "bias"]), (1, ["head"])], ["weight", "bias", "head"]),
    "both": ([(2, ["weight", "bias"]), (1, None)], ["weight", "bias", "2"]),
    "made unique": ([(2, ["weight", "bias"]), (2, ["bias", "weight"])], ["weight", "bias", "bias#2", "weight#3"]),
    "a name that is a number": ([(1, ["1"]), (1, None)], ["1", "1#1"]),
}


@pytest.mark.parametrize(("named", "expected"), NAMES.values(), ids=NAMES)
def test_parameters_are_named_by_their_groups_or_by_their_place(named, expected):
    groups = groups_of(*named)
    members = list(group_members(groups))
    assert [member.name for member in members] == expected
    for member, (index, param) in zip(
        members, ((index, param) for index, group in enumerate(groups) for param in group["params"]), strict=True
    ):
        assert member.param is param
        assert member.index == index
        assert member.group is groups[index]


@pytest.mark.parametrize(("maximize", "expected"), [(False, [1.0, -2.0]), (True, [-1.0, 2.0])])
def test_going_down_the_negated_gradient_is_going_up(maximize, expected):
    param = torch.zeros(2, requires_grad=True)
    param.grad = torch.tensor([1.0, -2.0])
    member = GroupMember("weight", param, 0, {"params": [param], "maximize": maximize})
    assert member.gradient().tolist() == expected
    assert param.grad.tolist() == [1.0, -2.0]


def test_a_sparse_gradient_is_refused_by_the_parameters_name():
    param = torch.zeros(2, 2, requires_grad=True)
    param.grad = torch.eye(2).to_sparse()
    with pytest.raises(metaopt.InputError, match=r"Parameter 'embedding' has a sparse gradient"):
        GroupMember("embedding", param, 0, {"params": [param], "maximize": False}).gradient()


def test_members_are_made_anew_only_when_groups_are_others():
    groups, known = groups_of((2, None), (1, None)), KnownMembers()
    members = known.of(groups)
    assert [(member.name, member.group is groups[member.index]) for member in members] == [
        (str(place), True) for place in range(3)
    ]
    assert known.of(groups) is members
    groups[0]["params"][1] = torch.ones(1)
    assert known.of(groups)[1].param is groups[0]["params"][1]
    groups[1] = {**groups[1]}
    assert known.of(groups)[2].group is groups[1]
    groups[1]["param_names"] = ["head"]
    assert known.of(groups)[2].name == "head"


@pytest.fixture
def averaged():
    configuration = Configuration("adamw", wrappers=("averaged",), hparams={"adamw.lr": 0.5, "averaged.decay": 0.75})
    return assemble(configuration, current_registry())


def test_numbers_are_float64_and_made_anew_only_when_values_change(averaged):
    numbers = GroupNumbers(averaged)
    group = packed(averaged)
    first = numbers.hparams(0, group)
    assert {number.dtype for number in first.values()} == {torch.float64}
    assert {name: number.item() for name, number in first.items()} == {
        name: float(distribution.encode(averaged.rule_values[name]))
        for name, distribution in distributions(averaged).items()
    }
    assert numbers.hparams(0, dict(group)) is first
    group["lr"] = torch.tensor(0.25)
    assert numbers.hparams(0, group)["lr"].item() == 0.25
    group["lr"].fill_(0.125)
    assert numbers.hparams(0, group)["lr"].item() == 0.125


def test_the_vector_holds_the_same_numbers_in_the_order_of_the_names(averaged):
    numbers = GroupNumbers(averaged)
    group = packed(averaged)
    vector = numbers.vector(0, group, torch.device("cpu"))
    by_name = numbers.hparams(0, group)
    assert vector.tolist() == [by_name[name].item() for name in numbers.names]
