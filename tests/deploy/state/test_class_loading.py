"""A class's state says whose it is, and is put in place as it was saved, whatever torch's loader makes of it."""

import copy

import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.deploy.state.class_loading import ClassLoading
from metaopt.deploy.state.model_names import ModelNames
from metaopt.plugin.registry import Registry, current_registry


def loading(model, name="adamw"):
    assembly = assemble(Configuration(name), current_registry())
    optimizer = torch.optim.AdamW([{"params": list(model.named_parameters())}], lr=0.1, weight_decay=0.01)
    ClassLoading(assembly, ModelNames.of(model, assembly)).attach(optimizer)
    return optimizer


def train(model, optimizer):
    for number, param in enumerate(model.parameters()):
        param.grad = torch.full_like(param, number + 1.0)
    optimizer.step()


def test_a_saved_state_says_whose_it_is_and_comes_back():
    model = nn.Linear(2, 1)
    optimizer, other = loading(model), loading(model)
    train(model, optimizer)
    document = optimizer.state_dict()
    assert document["optimizer"] == {"name": "adamw", "param_names": [["weight", "bias"]]}
    other.load_state_dict(document)
    for param in model.parameters():
        for key, value in optimizer.state[param].items():
            assert torch.equal(other.state[param][key], value)
            assert other.state[param][key].data_ptr() != value.data_ptr()


def test_the_state_of_another_optimizer_is_refused():
    model = nn.Linear(2, 1)
    document = loading(model).state_dict()
    document["optimizer"] = {"name": "sgd"}
    with pytest.raises(metaopt.InputError, match="saved by the class of sgd and cannot continue as 'AdamW'"):
        loading(model).load_state_dict(document)


class Counting(torch.optim.SGD):
    """Descent with a float32 product for each parameter and a tensor in its group, which it reloads by itself."""

    def __init__(self, params, lr: float = 0.1, planned: int = 7):
        super().__init__(params, lr=lr, momentum=0.9)
        self.planned = planned
        for group in self.param_groups:
            group["scale"] = torch.ones(())

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["scale"].mul_(0.9)
            for param in group["params"]:
                if param.grad is not None:
                    product = self.state[param].setdefault("product", torch.ones(()))
                    product.mul_(0.97)
                    param.add_(param.grad, alpha=-float(group["scale"]) * group["lr"] * float(product))

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group["scale"] = saved["scale"]


def counting(model):
    assembly = assemble(Configuration("counting"), registry_of(Counting))
    optimizer = Counting(model.parameters())
    ClassLoading(assembly, ModelNames.of(model, assembly)).attach(optimizer)
    return optimizer


def registry_of(cls):
    registry = Registry.discover()
    registry.register(metaopt.optimizer_spec(cls, version="1"))
    return registry


def test_dtypes_and_tensors_of_groups_come_back_and_the_saved_state_stays_as_it_was():
    model = nn.Linear(2, 1).double()
    optimizer = counting(model)
    train(model, optimizer)
    document = optimizer.state_dict()
    before = copy.deepcopy(document)
    other = counting(model)
    other.load_state_dict(document)
    assert torch.equal(other.param_groups[0]["scale"], torch.tensor(0.9))
    assert other.state[model.weight]["product"].dtype == torch.float32
    train(model, other)
    assert document["param_groups"][0]["scale"] == before["param_groups"][0]["scale"]
    assert all(torch.equal(document["state"][key]["product"], before["state"][key]["product"]) for key in (0, 1))


def test_a_state_follows_the_dtype_of_the_parameters_where_the_class_does():
    model = nn.Linear(2, 1)
    optimizer = loading(model)
    train(model, optimizer)
    document = optimizer.state_dict()
    wide = nn.Linear(2, 1).double()
    other = loading(wide)
    other.load_state_dict(document)
    entries = other.state[wide.weight]
    assert entries["exp_avg"].dtype == torch.float64
    assert entries["step"].dtype == torch.float32


def test_a_parameter_that_was_never_stepped_begins_as_the_class_begins():
    class Masking(torch.optim.SGD):
        def __init__(self, params, lr: float = 0.1, *, planned: int):
            super().__init__(params, lr=lr, momentum=0.9)
            for group in self.param_groups:
                for param in group["params"]:
                    self.state[param]["mask"] = torch.ones_like(param)

    registry = Registry.discover()
    registry.register(metaopt.optimizer_spec(Masking, version="1", planned=metaopt.Int(3, 3, default=3)))
    assembly = assemble(Configuration("masking"), registry)
    model = nn.Linear(2, 1)
    documents = []
    for unused in ((), ("bias",)):
        optimizer = Masking(model.parameters(), planned=3)
        ClassLoading(assembly, ModelNames.of(model, assembly)).attach(optimizer)
        optimizer.zero_grad()
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()
        document = optimizer.state_dict()
        if unused:
            del document["state"][1]  # as hosts save it that drop what was never stepped
        documents.append(document)
    for document in documents:
        other = Masking(model.parameters(), planned=3)
        ClassLoading(assembly, ModelNames.of(model, assembly)).attach(other)
        other.load_state_dict(document)
        assert other.state[model.bias].keys() == {"mask"}
        assert other.state[model.weight].keys() == {"mask", "momentum_buffer"}
    del documents[0]["state"][0]["momentum_buffer"]
    documents[0]["state"][0]["other"] = torch.ones(1, 2)
    with pytest.raises(metaopt.InputError, match="'weight' lacks 'momentum_buffer'"):
        other.load_state_dict(documents[0])
