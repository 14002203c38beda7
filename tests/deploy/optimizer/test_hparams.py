"""Hyperparameters in a user's keywords, in a param group and in a rule's hands."""

import pytest
import torch

from metaopt import Configuration, InputError
from metaopt.configuration import assemble
from metaopt.deploy.optimizer.hparams import (
    GroupNumbers,
    assemble_named,
    checked_group,
    distributions,
    group_values,
    packed,
)
from metaopt.plugin import current_registry


@pytest.fixture
def averaged():
    configuration = Configuration("adamw", wrappers=("averaged",), hparams={"adamw.lr": 0.5, "averaged.decay": 0.75})
    return assemble(configuration, current_registry())


def test_packed_names_and_single_names_say_the_same():
    single = assemble_named("adamw", {"beta1": 0.5, "beta2": 0.75, "lr": torch.tensor(0.25)})
    together = assemble_named("adamw", {"betas": (0.5, 0.75), "lr": 0.25})
    assert single.rule_values == together.rule_values
    assert single.configuration == together.configuration


def test_a_wrappers_hyperparameters_go_by_its_name():
    assembly = assemble_named("adamw", {"averaged.decay": 0.75}, wrappers=("averaged",))
    assert assembly.rule_values["averaged.decay"] == 0.75


@pytest.mark.parametrize(
    ("hparams", "message"),
    [
        ({"betas": (0.5, 0.75), "beta1": 0.5}, "adamw got betas and beta1, which it holds; give one of them"),
        ({"betas": (0.5,)}, r"adamw.betas must be 2 numbers \(beta1, beta2\), got \(0.5,\)"),
        ({"lr": torch.ones(2)}, r"A hyperparameter is one number, got a tensor of shape \(2,\)"),
        ({"speed": 1}, "adamw has no hyperparameter 'speed'"),
    ],
)
def test_what_is_wrong_with_keywords_is_said(hparams, message):
    with pytest.raises(InputError, match=message):
        assemble_named("adamw", hparams)


def test_a_param_group_packs_what_torch_packs(averaged):
    group = packed(averaged)
    assert group["lr"] == 0.5
    assert group["betas"] == (0.9, 0.999)
    assert group["averaged.decay"] == 0.75
    assert "beta1" not in group


def test_a_group_is_read_by_the_names_of_the_rule(averaged):
    values = group_values(averaged, {"betas": (0.5, 0.25), "averaged.decay": 0.5, "lr": torch.tensor(2.0), "color": 1})
    assert values == {"beta1": 0.5, "beta2": 0.25, "averaged.decay": 0.5, "lr": 2.0}
    assert set(values) <= set(distributions(averaged))


def test_half_of_a_pair_in_a_group_is_completed(averaged):
    assert checked_group(averaged, {"params": [], "beta1": 0.5})["betas"] == (0.5, 0.999)


def test_a_value_in_a_group_is_checked(averaged):
    with pytest.raises(InputError, match=r"adamw.lr must be in \[0, inf\), got -1"):
        checked_group(averaged, {"params": [], "lr": -1})
    with pytest.raises(InputError, match="betas must be 2 numbers"):
        checked_group(averaged, {"params": [], "betas": 0.5})


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
