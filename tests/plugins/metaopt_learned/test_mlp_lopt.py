"""The small network of 39 features: how it begins, and what its outputs and times do to an update."""

import math

import pytest
import torch
from torch import nn

import metaopt
from metaopt.plugin.registry import current_registry
from metaopt_learned.mlp_lopt import COUNT, TIMESCALES, check
from tests.plugins.metaopt_learned.conftest import PARAMS


def weights(rule="mlp_lopt"):
    meta = current_registry().get(metaopt.OptimizerSpec, rule).meta
    values = {name: one.default for name, one in meta.full_space.items()}
    return meta.init_theta({}, torch.Generator().manual_seed(0), values)


def test_mlp_lopt_begins_as_adam_does():
    torch.manual_seed(0)
    model, other = nn.Linear(6, 4), nn.Linear(6, 4)
    other.load_state_dict(model.state_dict())
    optimizer = metaopt.create_optimizer("mlp_lopt", model, theta=weights())
    inputs = torch.randn(32, 6)
    for _ in range(5):
        before = model.weight.detach().clone()
        optimizer.zero_grad()
        model(inputs).sin().sum().backward()
        optimizer.step()
    state = optimizer.state[model.weight]
    momentum = state["momentum"][0] * (state["second"][0] + 1e-6).rsqrt()
    expected = -3e-3 * momentum / momentum.square().mean().sqrt()
    torch.testing.assert_close(model.weight.detach() - before, expected, rtol=1e-2, atol=1e-6)


def saying(direction, magnitude):
    """A network whose outputs do not depend on what it sees."""
    return {**weights(), "w2": torch.zeros(4, 2), "b2": torch.tensor([direction, magnitude])}


def test_an_update_is_the_direction_times_the_exponential_of_the_magnitude_and_a_decay(stepped):
    params, _, _ = stepped("mlp_lopt", saying(2.0, 100.0), lr=0.01, weight_decay=0.5)
    for name, before in PARAMS.items():
        decay = 0.5 if before.ndim > 1 else 0.0
        torch.testing.assert_close(params[name], before - 0.01 * (2 * math.exp(0.1) + decay * before))


@pytest.mark.parametrize("place", [0, 3, 10])
def test_times_are_features_that_saturate_after_their_scale(stepped, place):
    theta = saying(0.0, 0.0)
    theta["w0"], theta["b0"] = torch.zeros(COUNT + len(TIMESCALES), 4), torch.full((4,), 2.0)
    theta["w0"][COUNT + place, 0] = 1.0
    theta["w1"], theta["b1"], theta["w2"] = torch.eye(4), torch.zeros(4), torch.zeros(4, 2)
    theta["w2"][0, 0] = 1.0
    params, _, _ = stepped("mlp_lopt", theta, steps=2, lr=0.01)
    moved = sum(2 + math.tanh(step / TIMESCALES[place] - 1) for step in range(2))
    for name, before in PARAMS.items():
        torch.testing.assert_close(params[name], before - 0.01 * moved)


def test_weights_of_other_shapes_and_decays_outside_of_their_range_are_refused():
    check(weights())
    with pytest.raises(metaopt.InputError, match=r"'w0' have shape \(30, 4\), those of 'mlp_lopt' \(39, 4\)"):
        check({**weights(), "w0": torch.zeros(30, 4)})
    with pytest.raises(metaopt.InputError, match="'rms_decays' say a decay of"):
        check({**weights(), "rms_decays": torch.ones(1)})
