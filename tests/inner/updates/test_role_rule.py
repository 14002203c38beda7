"""Roles in the population: each member trains as the deployed optimizer of the same configuration does."""

import numpy as np
import pytest
import torch
from torch import nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Member
from metaopt.inner.gradients.batches import batch_indices
from metaopt.inner.population import train
from metaopt.inner.updates.layout import Layout
from metaopt.inner.updates.role_rule import role_rule
from metaopt.plugin.registry import current_registry

CONFIGURATIONS = {
    "another optimizer": {"roles": {"matrix": {"optimizer": "lion"}, "head": {"optimizer": "lion", "rate": 0.5}}},
    "rates and decays": {"roles": {"input": {"rate": 0.25}, "head": {"weight_decay": 0.3}}},
    "by depth": {"depth_decay": 0.5},
    "all at once": {
        "roles": {"matrix": {"optimizer": "sgd", "rate": 2.0, "weight_decay": 0.1}, "vector": {"optimizer": "lion"}},
        "depth_decay": 0.7,
        "wrappers": ("averaged",),
    },
    "by fan-in": {"roles": {"input": {"fan_in": 16}, "matrix": {"optimizer": "lion", "fan_in": 6, "rate": 0.5}}},
    "whole tensors by fan-in": {"roles": {"matrix": {"optimizer": "normed", "fan_in": 6}, "input": {"fan_in": 16}}},
    "whole tensors": {"roles": {"matrix": {"optimizer": "normed"}}},
    "whole tensors in a wrapper": {"roles": {"matrix": {"optimizer": "normed"}}, "wrappers": ("lookahead",)},
    "sums": {"roles": {"matrix": {"optimizer": "prodigy"}, "vector": {"rate": 3.0}}},
}


def deep(dtype=torch.float64):
    layers = [nn.Linear(64, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh(), nn.Linear(12, 12), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(12, 10)).to(dtype)


def configuration(case, **fields):
    hparams = {"adamw.lr": 0.01, "adamw.weight_decay": 0.2, **fields.pop("hparams", {})}
    return Configuration("adamw", "cosine", **CONFIGURATIONS[case], hparams=hparams, **fields)


@pytest.mark.slow
@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_members_train_as_the_deployed_optimizer_does(case, task, normed):
    """Members of one structure side by side, their roles with different rates; every curve against a user's loop."""
    digits = task(deep, num_steps=20, num_validations=4)
    registry = current_registry()
    settings = [configuration(case, hparams={"adamw.lr": lr}) for lr in (0.01, 0.03)]
    settings.append(Configuration.from_json({**settings[0].to_json(), "no_decay": "none"}))
    assemblies = [assemble(each, registry) for each in settings]
    results = train(digits, [Member(assembly, 3) for assembly in assemblies])
    for each, result in zip(settings, results, strict=True):
        recipe = metaopt.Recipe.create(each)
        run = recipe.bind(digits.build(3), total_steps=20, guard=False)
        np.testing.assert_allclose(result.curve.values, values_of(run, digits), rtol=1e-6)


def values_of(run, task):
    train_split, validation = task.splits.train, task.splits.validation
    values = []
    for step, rows in enumerate(batch_indices(len(train_split), 16, task.num_steps, 3), start=1):
        run.optimizer.zero_grad()
        loss = task.loss(run.model(train_split.inputs[rows]), train_split.targets[rows])
        loss.backward()
        run.step(loss)
        if step in task.validation_steps:
            with run.evaluating(), torch.no_grad():
                values.append(float(task.measure(run.model(validation.inputs), validation.targets)))
    return values


class InReverse(nn.Module):
    """Registers what makes its output first, so that only a pass tells which weight sees the input."""

    def __init__(self):
        super().__init__()
        self.out, self.hidden, self.first = nn.Linear(12, 10), nn.Linear(12, 12), nn.Linear(64, 12)
        self.double()

    def forward(self, x):
        return self.out(self.hidden(self.first(x).tanh()).tanh())


def test_the_engine_finds_what_sees_the_input_by_a_pass(task):
    digits = task(InReverse, num_steps=10, num_validations=2)
    each = Configuration("adamw", "cosine", hparams={"adamw.lr": 0.01}, roles={"input": {"fan_in": 8}})
    (result,) = train(digits, [Member(assemble(each, current_registry()), 3)])
    recipe, model = metaopt.Recipe.create(each), digits.build(3)
    found = metaopt.roles(model, example=digits.splits.train.inputs[:2])
    assert found["first.weight"] == "input" != metaopt.roles(model)["first.weight"]
    run = recipe.bind(model, total_steps=10, guard=False, roles=found)
    np.testing.assert_allclose(result.curve.values, values_of(run, digits), rtol=1e-6)
    other = recipe.bind(digits.build(3), total_steps=10, guard=False)
    assert not np.allclose(result.curve.values, values_of(other, digits), rtol=1e-3)


def test_what_acts_on_numbers_is_laid_end_to_end_and_whole_tensors_are_not(normed):
    layout = Layout(deep())
    pieces = role_rule(assemble(configuration("whole tensors"), current_registry()), layout).pieces
    assert {piece.name: piece.members for piece in pieces} == {
        "float64 None 0 decayed": ("0.weight", "6.weight"),
        "2.weight": ("2.weight",),
        "4.weight": ("4.weight",),
        "float64 None 0 spared": ("0.bias", "2.bias", "4.bias", "6.bias"),
    }


def test_an_optimizer_for_matrices_is_given_no_vector(task, normed):
    alone = Member(assemble(Configuration("normed"), current_registry()), 0)
    with pytest.raises(
        metaopt.InputError, match=r"The task '.+': normed takes matrices, and the parameter '0\.bias' has"
    ):
        train(task(num_steps=1, num_validations=1), [alone])
