"""Celo: a network says each coordinate's update, in units of the parameter's size and of the scheduler's rate."""

import math

import pytest
import torch

from metaopt_learned.celo import FEATURES
from tests.plugins.metaopt_learned.conftest import GRADS, PARAMS

#: A scheduler that says the same rate at each step, 0.1 · e^b.
CONSTANT = {"scheduler.rate.weight": torch.zeros(8), "scheduler.rate.bias": torch.tensor(0.7)}
RATE = 0.001 * math.exp(0.7)


def reading(place):
    """A network whose direction is one of its features."""
    theta = {"w0": torch.zeros(FEATURES, 4), "b0": torch.zeros(4), "w1": torch.eye(4), "b1": torch.zeros(4)}
    signs = torch.tensor([1.0, -1.0])
    theta["w0"][place, :2] = signs
    theta["w2"], theta["b2"] = torch.zeros(4, 3), torch.zeros(3)
    theta["w2"][:2, 0] = signs
    return {**CONSTANT, **theta}


def rms(tensor, floor):
    return (tensor.square().mean() + floor).sqrt()


def test_an_update_is_in_units_of_the_parameters_size_and_the_third_output_is_not_used(stepped):
    said = {"w2": torch.zeros(4, 3), "b2": torch.tensor([2.0, 100.0, 1e6])}
    params, _, _ = stepped("celo", {**CONSTANT, **said}, lr=0.01, weight_decay=0.5, hidden_size=8)
    for name, before in PARAMS.items():
        step, decay = rms(before, 1e-9) * 2 * math.exp(0.1), 0.5 if before.ndim > 1 else 0.0
        torch.testing.assert_close(params[name], before - RATE * (step + decay * before))


#: Features of the gradient alone, by their place.
GRADIENTS = {
    0: lambda grad: grad,
    1: lambda grad: grad.clamp(-0.1, 0.1),
    14: lambda grad: grad / (0.001 * grad.square() + 1e-6).sqrt(),
}


@pytest.mark.parametrize("place", GRADIENTS)
def test_the_gradient_is_read_as_it_is_within_a_tenth_and_over_its_root_mean_square(stepped, place):
    params, _, _ = stepped("celo", reading(place), lr=0.01, hidden_size=8)
    for name, before in PARAMS.items():
        feature = GRADIENTS[place](GRADS[name])
        expected = before - RATE * rms(before, 1e-9) * feature / rms(feature, 1e-5)
        torch.testing.assert_close(params[name], expected, rtol=1e-4, atol=1e-6)


def test_the_parameter_itself_is_read_too(stepped):
    params, _, _ = stepped("celo", reading(2), lr=0.01, hidden_size=8)
    for name, before in PARAMS.items():
        expected = before - RATE * rms(before, 1e-9) * before / rms(before, 1e-5)
        torch.testing.assert_close(params[name], expected, rtol=1e-4, atol=1e-6)
