"""What people write for `roles`, and what they are told where they mean something else."""

import pytest
from torch import nn

import metaopt
from metaopt import InputError
from metaopt.deploy.roles.stated_roles import check_patterns, patterns_and_settings


def network():
    return nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 1))


def test_patterns_and_settings_are_told_apart():
    assert patterns_and_settings(None) == (None, {})
    settings = {"matrix": {"optimizer": "sgd"}, "head": metaopt.Role(rate=0.5)}
    assert patterns_and_settings({"2.*": "head", **settings}) == ({"2.*": "head"}, settings)


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ("matrix", r"^roles must map roles to their settings .*, got 'matrix'\.$"),
        ([("matrix", {"rate": 0.5})], r"^roles must map roles to their settings"),
        ({"matrix": "muon"}, r"write \{'matrix': \{'optimizer': 'muon'\}\}\.$"),
        ({"matrix": "mouon"}, r"write \{'matrix': \{'optimizer': 'mouon'\}\}\.$"),
        ({"1.*": "sgd"}, r"'1\.\*' is a pattern .* write \{'1\.\*': 'matrix', 'matrix': \{'optimizer': 'sgd'\}\}\.$"),
        ({"1.*": "matrx"}, r"did you mean 'matrix'"),
        ({3: {"rate": 0.5}}, r"A role is one of"),
    ],
)
def test_what_is_no_role_is_said_in_a_sentence(roles, message):
    with pytest.raises(InputError, match=message):
        metaopt.create_optimizer("adamw", network(), roles=roles)


def test_a_recipe_is_bound_with_patterns_alone():
    recipe = metaopt.Recipe.create(metaopt.Configuration("adamw"))
    with pytest.raises(InputError, match=r"patterns of names alone .* for 'matrix'; .* Configuration\(roles=…\)"):
        recipe.bind(network(), roles={"matrix": {"optimizer": "sgd"}})
    check_patterns({"1.*": "head"})
    check_patterns(None)


def test_a_role_whose_parameters_are_frozen_is_told_from_one_that_there_is_not():
    model = network()
    model[0].requires_grad_(False)
    with pytest.raises(InputError, match=r"No parameter that is trained has the role input, .* frozen; leave out"):
        metaopt.create_optimizer("adamw", model, roles={"input": {"rate": 0.5}})
    with pytest.raises(InputError, match="No parameter has the role embedding; leave out"):
        metaopt.create_optimizer("adamw", model, roles={"embedding": {"rate": 0.5}})
