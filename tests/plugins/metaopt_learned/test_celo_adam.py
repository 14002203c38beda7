"""Celo's scheduler around Adam: the update is Adam's, times the rate that the scheduler says."""

import math

import numpy as np
import pytest
import torch

from tests.plugins.metaopt_learned.conftest import GRADS, PARAMS

#: A scheduler that says the same rate at each step, 0.1 · e^b.
CONSTANT = {"scheduler.rate.weight": torch.zeros(8), "scheduler.rate.bias": torch.tensor(0.7)}


def adam(param, gradients, rate, decay):
    """Parameters after Adam's steps, in float64."""
    first = second = np.zeros_like(param)
    for step, grad in enumerate(gradients, start=1):
        first, second = 0.9 * first + 0.1 * grad, 0.999 * second + 0.001 * grad**2
        mean, square = first / (1 - 0.9**step), second / (1 - 0.999**step)
        param = param - rate * (mean / (np.sqrt(square + 1e-10) + 1e-8) + decay * param)
    return param


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_it_is_adam_at_the_rate_that_the_scheduler_says(stepped, decay):
    factors = [1.0, -2.0, 0.5, 3.0]
    params, _, _ = stepped("celo_adam", CONSTANT, factors=factors, lr=1.0, weight_decay=decay, hidden_size=8)
    for name, before in PARAMS.items():
        gradients, own = (
            [factor * GRADS[name].double().numpy() for factor in factors],
            decay if before.ndim > 1 else 0.0,
        )
        expected = adam(before.double().numpy(), gradients, 0.1 * math.exp(0.7), own)
        np.testing.assert_allclose(params[name].numpy(), expected, rtol=1e-5)


def test_without_weights_that_differ_the_rate_is_a_tenth(stepped):
    """Adam's first step is of size 1 in every coordinate."""
    theta = {name: torch.zeros_like(weight) for name, weight in CONSTANT.items()}
    params, _, _ = stepped("celo_adam", theta, lr=0.01, hidden_size=8)
    for name, before in PARAMS.items():
        torch.testing.assert_close(params[name], before - 0.001 * GRADS[name].sign(), rtol=1e-5, atol=1e-7)
