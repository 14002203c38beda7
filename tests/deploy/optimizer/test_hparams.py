"""Hyperparameters in a user's keywords and in a rule's hands."""

import pytest
import torch

from metaopt import InputError
from metaopt.deploy.optimizer.hparams import assemble_named


def test_packed_names_and_single_names_say_the_same():
    single = assemble_named("adamw", {"beta1": 0.5, "beta2": 0.75, "lr": torch.tensor(0.25)})
    together = assemble_named("adamw", {"betas": (0.5, 0.75), "lr": 0.25})
    assert single.rule_values == together.rule_values
    assert single.configuration == together.configuration


def test_a_wrappers_hyperparameters_go_by_its_name():
    assembly = assemble_named("adamw", {"averaged.decay": 0.75}, wrappers=("averaged",))
    assert assembly.rule_values["averaged.decay"] == 0.75


def test_those_of_a_roles_optimizer_are_taken_packed_too():
    roles = {"matrix": {"optimizer": "adamw"}}
    packed_ones = assemble_named("sgd", {"lr": 0.1, "adamw.betas": (0.5, 0.6)}, roles=roles)
    single = assemble_named("sgd", {"lr": 0.1, "adamw.beta1": 0.5, "adamw.beta2": 0.6}, roles=roles)
    assert packed_ones.configuration == single.configuration
    with pytest.raises(InputError, match="adamw got betas and beta1, which it holds"):
        assemble_named("sgd", {"adamw.betas": (0.5, 0.6), "adamw.beta1": 0.5}, roles=roles)
    with pytest.raises(InputError, match=r"adamw\.betas must be 2 numbers"):
        assemble_named("sgd", {"adamw.betas": 0.5}, roles=roles)


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
