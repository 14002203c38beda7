"""Celo's scheduler: what it sees of progress and losses, and the rate it makes of that."""

import math

import numpy as np
import pytest
import torch

import metaopt
from metaopt_learned._shared import celo_scheduler
from metaopt_learned._shared.celo_scheduler import FRACTIONS, INPUTS, MEANS

HORIZON = 40.0
#: They fall, leap once, and rise at the end, where means of several lengths differ in what they say.
LOSSES = [2.0, 1.5, 1.0, 0.5, 9.0, 0.4, 0.9, 1.4]


def run(theta, losses=LOSSES):
    """Rates and states after each loss."""
    state = celo_scheduler.init(theta, torch.tensor(HORIZON))
    for step, loss in enumerate(losses):
        info = metaopt.StepInfo(torch.tensor(float(step)), torch.tensor(HORIZON), torch.tensor(loss))
        signals, state = celo_scheduler.update(state, theta, info)
        yield float(signals["celo_rate"]), state


def showing():
    """Weights under which the hidden state is a known function of the inputs: ½ tanh(½ tanh x), without memory."""
    theta = celo_scheduler.init_theta(INPUTS, torch.Generator().manual_seed(0))
    theta = {name: torch.zeros_like(weight) for name, weight in theta.items()}
    theta["scheduler.input.weight"] = torch.eye(INPUTS)
    theta["scheduler.lstm.input"][:, 3 * INPUTS :] = torch.eye(INPUTS)
    theta["scheduler.lstm.bias"][INPUTS : 2 * INPUTS] = -100.0
    return theta


def seen_by_the_paper(losses):
    """The inputs at the last of the losses, in float64 and with a mean at a time."""
    constants = [10.0 ** (1 + place * (math.log10(HORIZON) - 1)) for place in np.linspace(0, 1, MEANS)]
    decays = np.exp(-1 / np.asarray(constants))
    means, lowest, unbiased = np.zeros(MEANS), np.full(MEANS, np.inf), np.zeros(MEANS)
    for count, loss in enumerate(losses, start=1):
        capped = loss if count == 1 else min(loss, 2 * abs(max(means / (1 - decays ** (count)))))
        means = decays * means + (1 - decays) * capped
        unbiased = means / (1 - decays**count)
        lowest = np.minimum(lowest, unbiased)
    room = np.maximum(unbiased[1:] - lowest[:-1], 1e-8)
    shares = np.clip((unbiased[:-1] - lowest[:-1]) / room - 1, -1, 1)
    progress = np.tanh(10 * ((len(losses) - 1) / HORIZON - np.asarray(FRACTIONS)))
    return np.concatenate([progress, shares if len(losses) > 2 else np.zeros(MEANS - 1)])


def test_it_sees_progress_and_where_losses_lie_between_their_lowest_and_a_longer_mean():
    for count, (_, state) in enumerate(run(showing()), start=1):
        inputs = torch.atanh(2 * torch.atanh(2 * state["hidden"].double()))
        expected = seen_by_the_paper(LOSSES[:count])
        np.testing.assert_allclose(inputs.numpy(), expected, rtol=1e-3, atol=1e-4)
    assert np.ptp(expected[len(FRACTIONS) :]) > 0.02


def test_the_rate_is_a_tenth_of_the_exponential_of_what_the_state_says():
    theta = {**showing(), "scheduler.rate.bias": torch.tensor(0.7)}
    theta["scheduler.rate.weight"][0] = 3.0
    for rate, state in run(theta):
        assert rate == pytest.approx(0.1 * math.exp(3 * float(state["hidden"][0]) + 0.7), rel=1e-5)


def test_it_begins_with_the_learned_state_and_the_mixing_layer_adds_what_is_positive():
    theta = showing()
    theta["scheduler.hidden"] += 0.5
    assert celo_scheduler.init(theta, None)["hidden"].tolist() == [0.5] * INPUTS
    positive, negative = ({**showing(), "scheduler.mix.bias": torch.full((INPUTS,), bias)} for bias in (1.0, -9.0))
    plain, more, less = ([state["hidden"] for _, state in run(weights)] for weights in (showing(), positive, negative))
    assert all(torch.equal(one, other) for one, other in zip(plain, less, strict=True))
    assert all(bool((other > one).all()) for one, other in zip(plain, more, strict=True))


def test_shapes_are_those_of_as_many_hidden_units_as_theta_has():
    theta = celo_scheduler.init_theta(5, torch.Generator().manual_seed(0))
    assert celo_scheduler.shapes(theta) == {name: tuple(weight.shape) for name, weight in theta.items()}
    assert theta["scheduler.lstm.bias"].tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10
