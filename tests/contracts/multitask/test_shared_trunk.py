import copy
import pickle

import pytest
import torch
from torch import nn

import metaopt
from metaopt.contracts import TrunkPass


def shared(**heads):
    return metaopt.SharedTrunk(nn.Linear(3, 4), heads or {"a": nn.Linear(4, 1), "b": nn.Linear(4, 2)})


def test_each_head_sees_the_trunk():
    model, inputs = shared(), torch.randn(5, 3)
    outputs = model(inputs)
    assert all(torch.equal(outputs[name], model.heads[name](model.trunk(inputs))) for name in ("a", "b"))
    assert model({"b": inputs[:2]})["b"].shape == (2, 2)


def test_stacked_inputs_are_a_row_of_examples_of_each_task():
    heads, inputs = {"a": nn.Linear(4, 1), "b": nn.Linear(4, 2)}, torch.randn(5, 2, 3)
    model = metaopt.SharedTrunk(nn.Linear(3, 4), heads, stacked=True)
    outputs = model(inputs)
    assert torch.allclose(outputs["b"], heads["b"](model.trunk(inputs[:, 1])))


def test_copies_and_pickles_hold_no_graph():
    model = shared()
    model.record()
    model(torch.randn(5, 3))
    assert model.record().views
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert isinstance(copied.record(), TrunkPass)
        assert not copied.record().views


def test_a_head_is_put_onto_a_copy_of_the_trunk():
    model = shared()
    adapted = model.onto(nn.Linear(4, 7))
    assert torch.equal(adapted[0].weight, model.trunk.weight)
    assert adapted[0].weight is not model.trunk.weight
    assert adapted(torch.zeros(2, 3)).shape == (2, 7)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ({}, "A shared trunk needs at least one head"),
        ([("a", nn.Linear(4, 1)), ("a", nn.Linear(4, 2))], "Two heads are called 'a'"),
        ({"a.b": nn.Linear(4, 1)}, "a text without dots"),
        ({"keys": nn.Linear(4, 1)}, "that torch's ModuleDict does not use"),
        ({"a": 3}, "A trunk and its heads are torch modules, got 3"),
        (3, "Heads are given by the name of their task, got 3"),
    ],
)
def test_heads_that_cannot_be_are_refused(heads, message):
    with pytest.raises(metaopt.InputError, match=message):
        metaopt.SharedTrunk(nn.Linear(3, 4), heads)


def test_what_does_not_fit_is_said_in_a_sentence():
    with pytest.raises(metaopt.InputError, match=r"The head 'a' does not take the trunk's output, of shape \(5, 4\)"):
        shared(a=nn.Linear(9, 1))(torch.randn(5, 3))
    with pytest.raises(metaopt.InputError, match="There is no head 'z'; this model has"):
        shared()({"z": torch.randn(5, 3)})
    recurrent = metaopt.SharedTrunk(nn.LSTM(3, 4), {"a": nn.Linear(4, 1)})
    with pytest.raises(metaopt.InputError, match="A shared trunk gives one tensor, got tuple"):
        recurrent(torch.randn(5, 3))
