"""An assembly says what serves each role, with which rate and decay."""

import pytest
import torch

from metaopt.configuration import Configuration, assemble
from metaopt.contracts import CompositeRule
from metaopt.plugin.registry import current_registry

PARAMS = {"w": torch.zeros(2, 3), "h": torch.zeros(3, 1), "b": torch.zeros(3)}
ROLES = {"w": "matrix", "h": "head", "b": "vector"}


def assembly(**fields):
    hparams = {"adamw.lr": 0.1, "adamw.weight_decay": 0.2, **fields.pop("hparams", {})}
    return assemble(Configuration("adamw", hparams=hparams, **fields), current_registry())


def test_rates_are_factors_on_the_rate_of_the_optimizer_that_a_role_has():
    whole = assembly(
        hparams={"sgd.lr": 3.0}, roles={"matrix": {"optimizer": "sgd", "rate": 0.5}, "head": {"rate": 0.25}}
    )
    hparams = whole.tensor_hparams(PARAMS, torch.float64, ROLES)
    assert [float(hparams[name]["lr"]) for name in PARAMS] == [1.5, 0.025, 0.1]
    assert set(hparams["w"]) == set(current_registry().get(type(whole.optimizer), "sgd").space)


def test_a_decay_that_a_role_states_holds_for_its_vectors_too():
    whole = assembly(roles={"vector": {"weight_decay": 0.5}})
    hparams = whole.tensor_hparams(PARAMS, torch.float64, ROLES)
    assert [float(hparams[name]["weight_decay"]) for name in PARAMS] == [0.2, 0.2, 0.5]
    assert float(whole.tensor_hparams(PARAMS, torch.float64)["b"]["weight_decay"]) == 0.0


def test_depth_lowers_a_rate_once_for_each_layer_above():
    hparams = assembly(depth_decay=0.5).tensor_hparams(PARAMS, torch.float64, ROLES, {"w": 2, "h": 0, "b": 1})
    assert [float(hparams[name]["lr"]) for name in PARAMS] == [0.025, 0.1, 0.05]


def test_an_optimizer_of_a_role_is_part_of_the_rule_and_shares_its_wrappers():
    whole = assembly(roles={"matrix": {"optimizer": "lion"}, "head": {"optimizer": "lion"}}, wrappers=("averaged",))
    assert whole.title == "averaged(adamw+lion)"
    assert [spec.name for spec in whole.specs] == ["adamw", "lion", "averaged", "constant"]
    inner = whole.rule_over(ROLES).inner
    assert isinstance(inner, CompositeRule)
    assert [inner.part_of(name) for name in PARAMS] == ["lion", "lion", "adamw"]
    assert set(whole.values_of(whole.part("lion").optimizer)) == set(whole.part("lion").optimizer.space)


def test_rates_alone_leave_the_rule_as_it_is():
    whole = assembly(roles={"matrix": {"optimizer": "adamw", "rate": 0.5}})
    assert whole.rule is whole.optimizer.rule is whole.rule_over(ROLES)
    assert whole.title == "adamw"


@pytest.mark.parametrize(
    "fields",
    [
        {"roles": {"matrix": {"optimizer": "lion"}}},
        {"roles": {"matrix": {"rate": 0.5}}},
        {"roles": {"head": {"rate": 0.5}}},
        {"depth_decay": 0.5},
    ],
)
def test_members_with_other_roles_are_of_another_structure_and_other_numbers_are_not(fields):
    assert assembly(**fields).structure != assembly().structure
    assert assembly(**fields).structure == assembly(**fields, hparams={"adamw.lr": 0.3}).structure


def test_signals_that_a_role_s_optimizer_needs_are_needed():
    assert assembly().rule_requires == frozenset()
    polyak = assemble(Configuration("adamw", "polyak"), current_registry())
    assert polyak.requires
