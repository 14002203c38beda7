"""Weights and models that a learned rule cannot use: a sentence each, and nothing is touched."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.plugin.registry import current_registry


def weights(rule="mlp_lopt", **changes):
    meta = current_registry().get(metaopt.OptimizerSpec, rule).meta
    values = {name: distribution.default for name, distribution in meta.full_space.items()}
    return {**meta.init_theta({}, torch.Generator().manual_seed(0), values), **changes}


def model_of():
    torch.manual_seed(0)
    return nn.Linear(3, 2)


BAD = {
    "another architecture": ("mlp_lopt", {"w0": torch.zeros(30, 4)}, r"'w0' have shape \(30, 4\).*\(39, 4\)"),
    "an unknown name": ("mlp_lopt", {"w3": torch.zeros(4, 4)}, "hold 'w3': they are not those of 'mlp_lopt'"),
    "another rule's": ("celo", weights(), "they are not those of 'celo'"),
    "a negative decay": ("mlp_lopt", {"momentum_decays": torch.ones(3)}, "'momentum_decays' say a decay of -2"),
    "a decay of 1": ("mlp_lopt", {"rms_decays": torch.full((1,), -20.0)}, "'rms_decays' say a decay of 1; decays are"),
    "not finite": ("mlp_lopt", {"b1": torch.full((4,), torch.nan)}, "'b1' of 'mlp_lopt' hold numbers that are not"),
}


@pytest.mark.parametrize("case", BAD)
def test_weights_that_are_not_the_rules(case):
    rule, changes, sentence = BAD[case]
    model = model_of()
    before = [param.detach().clone() for param in model.parameters()]
    theta = changes if rule == "celo" else weights(**changes)
    with pytest.raises(metaopt.InputError, match=sentence):
        metaopt.create_optimizer(rule, model, theta=theta, total_steps=10)
    assert all(torch.equal(param, after) for param, after in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("rule", ["mlp_lopt", "celo", "celo_adam"])
def test_weights_of_every_size_are_taken(rule):
    meta = current_registry().get(metaopt.OptimizerSpec, rule).meta
    values = {name: distribution.default for name, distribution in meta.full_space.items()} | {"hidden_size": 7}
    theta = meta.init_theta({}, torch.Generator().manual_seed(0), values)
    metaopt.create_optimizer(rule, model_of(), theta=theta, total_steps=10)


@pytest.mark.parametrize("steps", [0, -1, 2.5, True])
def test_a_horizon_that_is_no_number_of_steps(steps):
    with pytest.raises(metaopt.InputError, match="total_steps must be a positive whole number"):
        metaopt.create_optimizer("celo", model_of(), theta=weights("celo"), total_steps=steps)


def test_a_parameter_that_is_not_finite_before_the_first_step():
    model = model_of()
    with torch.no_grad():
        model.weight[1, 2] = torch.nan
    with pytest.raises(metaopt.InputError, match=r"parameter of shape \(2, 3\) holds numbers that are not finite"):
        metaopt.create_optimizer("mlp_lopt", model, theta=weights())


def test_parameters_on_two_devices():
    parameters = [*model_of().parameters(), nn.Parameter(torch.zeros(2, device="meta"), requires_grad=False)]
    with pytest.raises(metaopt.InputError, match="lie on cpu, meta, but 'mlp_lopt' looks at all of them together"):
        metaopt.create_optimizer("mlp_lopt", parameters, theta=weights())
