"""What studies choose for roles: few things, as the user allows, and never in a study that began without them."""

import dataclasses

import numpy as np
import pytest

import metaopt
from metaopt import Role
from metaopt.configuration import Configuration, assemble
from metaopt.tuning.judging.references import pool_space
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.role_choices import chosen_roles, may_have_roles, role_values
from metaopt.tuning.search.start_from import sampler_params
from metaopt.tuning.search.trial_stand_ins import RandomChooser


@pytest.fixture
def with_matrices(registry, normed):
    """A registry that has an optimizer for matrices beside the built-in plugins."""
    registry.register(normed)
    return registry


def drawn(space, count=200):
    generator = np.random.default_rng(0)
    return [space.suggest(RandomChooser(generator)) for _ in range(count)]


def test_an_input_may_be_slowed_and_by_default_is_not(registry):
    space = joint_space(registry, optimizers=["adamw", "sgd"])
    found = drawn(space)
    widths = [one.roles["input"].fan_in for one in found if one.roles]
    assert 0.3 < len(widths) / len(found) < 0.7
    assert 16 <= min(widths) < 32 < 128 < max(widths) <= 256
    assert space.defaults()["roles.input.fan_in"] == 64
    assert {role for one in found for role in one.roles} == {"input"}
    assert space.defaults()["roles.input"] == "same"
    assert "roles.matrix" not in space.defaults()


def test_matrices_get_an_optimizer_of_their_own_where_one_is_there(with_matrices):
    space = joint_space(with_matrices, optimizers=["adamw", "sgd", "normed"])
    assert "normed" not in {spec.name for spec in space.optimizers}
    found = drawn(space, 400)
    for configuration in found:
        assemble(configuration, with_matrices)
        has_rate = "normed.lr" in configuration.hparams
        assert has_rate == ("normed" in configuration.optimizers)
    chosen = [one for one in found if "matrix" in one.roles]
    assert {one.roles["matrix"] for one in chosen} == {Role("normed")}
    assert 0.2 < len(chosen) / len(found) < 0.6


def test_muon_is_proposed_for_matrices(registry):
    found = drawn(joint_space(registry), 400)
    chosen = [one for one in found if "matrix" in one.roles]
    assert {one.roles["matrix"] for one in chosen} == {Role("muon")}
    assert 0.2 < len(chosen) / len(found) < 0.6


def test_what_the_user_excluded_is_not_used_in_a_role_either(with_matrices):
    assert not any("matrix" in one.roles for one in drawn(joint_space(with_matrices, optimizers=["adamw"])))
    chosen = joint_space(with_matrices, optimizers=["adamw", "normed"], settings=["roles.matrix=normed"])
    assert all(one.optimizers == ("adamw", "normed") for one in drawn(chosen))
    with pytest.raises(metaopt.PluginError, match="normed takes matrices alone; name one for the rest too"):
        joint_space(with_matrices, optimizers=["normed"])


def test_an_optimizer_that_a_wrapper_cannot_go_around_is_not_chosen(with_matrices, normed):
    with_matrices.register(dataclasses.replace(normed, name="fitted", sets_rate=True))
    space = joint_space(with_matrices, optimizers=["adamw", "fitted"], wrappers=["dog"])
    for one in drawn(space):
        assemble(one, with_matrices)
        assert not ("fitted" in one.optimizers and one.wrappers)


def test_learned_optimizers_and_those_without_a_rate_have_no_roles(registry):
    assert not may_have_roles(registry.get(metaopt.OptimizerSpec, "celo"))
    space = joint_space(registry, optimizers=["celo"])
    assert space.roles == {}
    assert "roles" not in space.to_json()


def test_the_space_before_roles_is_what_it_was(registry):
    """Of studies that began with an earlier metaopt, and of the trials that tasks of a corpus are judged by."""
    space = joint_space(registry)
    assert "roles" in space.to_json()
    before = space.without_roles.without_laws
    assert set(before.to_json()) == {"plugins", "fixed"}
    assert not any(one.roles for one in drawn(before))
    assert pool_space(registry).roles == {}
    assert space.fingerprint != before.fingerprint


@pytest.mark.parametrize("roles", [{}, {"input": {"fan_in": 50}}, {"matrix": {"optimizer": "normed"}}])
def test_known_settings_with_roles_teach_the_sampler(with_matrices, roles):
    space = joint_space(with_matrices, laws=False)
    configuration = Configuration("adamw", roles=roles)
    params = sampler_params(space, configuration, with_matrices)
    values = {name.removeprefix("roles."): value for name, value in params.items() if name.startswith("roles.")}
    assert chosen_roles(values) == configuration.roles
    assert role_values(configuration).items() <= params.items()


@pytest.mark.parametrize(
    "fields",
    [
        {"roles": {"head": {"rate": 0.5}}},
        {"roles": {"input": {"rate": 0.5}}},
        {"roles": {"input": {"fan_in": 8}}},
        {"roles": {"input": {"fan_in": 50, "weight_decay": 0.0}}},
        {"roles": {"input": {"fan_in": 50, "rate": 0.5}}},
        {"roles": {"matrix": {"optimizer": "sgd"}}},
        {"depth_decay": 0.5},
    ],
)
def test_roles_that_the_space_does_not_have_lie_outside(registry, fields):
    assert sampler_params(joint_space(registry), Configuration("adamw", **fields), registry) == {}
