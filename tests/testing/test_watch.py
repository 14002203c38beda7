"""Whoever writes to its arguments is caught in the act."""

import copy

import pytest
import torch

from metaopt.testing import ConformanceError
from metaopt.testing.watch import ReadOnly, WriteGuard, read_only, tensors_in

WRITES = {
    "in place": lambda tensor: tensor.add_(1),
    "an item": lambda tensor: tensor.__setitem__(0, 5.0),
    "a view": lambda tensor: tensor[1:].mul_(2),
    "out=": lambda tensor: torch.add(torch.ones(2), 1, out=tensor),
    "a list of tensors": lambda tensor: torch._foreach_add_([torch.ones(2), tensor], 1),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writing_to_a_guarded_tensor_raises_and_leaves_it(write):
    guarded = torch.tensor([1.0, 2.0])
    with pytest.raises(ConformanceError, match="It writes in place"), WriteGuard([guarded]):
        write(guarded)
    assert guarded.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_other_tensors_may_be_written_to(write):
    own, empty = torch.tensor([1.0, 2.0]), torch.empty(0)
    with WriteGuard([torch.tensor([1.0, 2.0]), empty]):
        write(own)
        empty.add_(1)
    assert own.tolist() != [1.0, 2.0]


def test_reading_and_copying_is_free():
    guarded = torch.tensor([1.0, 2.0])
    with WriteGuard([guarded]):
        doubled = guarded.clone().mul_(2) + guarded
    assert doubled.tolist() == [3.0, 6.0]


CHANGES = {
    "an item": lambda state: state.__setitem__("a", 2),
    "a removal": lambda state: state.__delitem__("a"),
    "update": lambda state: state.update(b=2),
    "pop": lambda state: state.pop("a"),
    "popitem": lambda state: state.popitem(),
    "clear": lambda state: state.clear(),
    "setdefault": lambda state: state.setdefault("b", 2),
    "|=": lambda state: state.__ior__({"b": 2}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_read_only_dict_refuses_every_change(change):
    state = ReadOnly(a=1)
    with pytest.raises(ConformanceError, match="It changes a dict that it was given"):
        change(state)
    assert state == {"a": 1}


@pytest.mark.parametrize("copied", [dict, copy.copy, copy.deepcopy, lambda state: {**state}])
def test_copies_of_it_are_ordinary_dicts(copied):
    own = copied(ReadOnly(a=1))
    own["b"] = 2
    assert own == {"a": 1, "b": 2}


def test_every_dict_inside_becomes_read_only():
    tensor = torch.ones(1)
    state = read_only({"tensors": {"w": {"m": tensor}}})
    assert type(state["tensors"]["w"]) is ReadOnly
    assert state["tensors"]["w"]["m"] is tensor
    assert read_only(tensor) is tensor


def test_tensors_are_found_however_deep_they_lie():
    first, second = torch.ones(1), torch.zeros(1)
    tensors = tensors_in({"a": {"b": first}, "c": 3}, None, second)
    assert [id(tensor) for tensor in tensors] == [id(first), id(second)]
