"""Rolling statistics of gradients, by hand."""

import math

import pytest
import torch

import metaopt
from metaopt_learned._shared.accumulators import (
    check_decays,
    factored_dims,
    fixed_decays,
    fresh,
    is_first_larger,
    learned_decays,
    moments,
    rolled,
)

DECAYS = fixed_decays(torch.device("cpu"))
ZEROS = {"momentum_decays": torch.zeros(3), "rms_decays": torch.zeros(1), "adafactor_decays": torch.zeros(3)}


def after(gradients):
    state = fresh(gradients[0])
    for grad in gradients:
        state = rolled(grad, state, DECAYS)
    return state


@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        ((), None),
        ((5,), None),
        ((2, 3), (0, 1)),
        ((4, 3, 2), (0, 1)),
        ((2, 3, 3), (1, 2)),
        ((3, 2, 3), (0, 2)),
        ((3, 3, 3), (1, 2)),
    ],
)
def test_a_tensor_is_factored_over_its_two_largest_dimensions(shape, dims):
    assert factored_dims(shape) == dims


def test_which_of_the_two_is_larger_is_a_tensor():
    assert [bool(is_first_larger(torch.zeros(shape), (0, 1))) for shape in ((3, 2), (2, 3), (2, 2))] == [
        True,
        False,
        False,
    ]


def test_averages_of_a_vector_are_those_of_its_gradients_and_of_their_squares():
    first, second = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.0])
    state = after([first, second])
    for row, decay in enumerate((0.9, 0.99, 0.999)):
        expected = (1 - decay) * (decay * first + second)
        torch.testing.assert_close(state["momentum"][row], expected, rtol=1e-4, atol=1e-7)
        squares = (1 - decay) * (decay * first.square() + second.square())
        torch.testing.assert_close(state["whole"][row], squares, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(
        state["second"][0], 0.001 * (0.999 * first.square() + second.square()), rtol=1e-3, atol=0
    )
    assert state.keys() == fresh(first).keys()


def test_squares_of_more_dimensions_are_kept_by_their_means_along_the_two_largest():
    grad = torch.arange(24.0).reshape(2, 3, 4)
    state = after([grad])
    assert "whole" not in state
    for row, decay in enumerate((0.9, 0.99, 0.999)):
        torch.testing.assert_close(state["first"][row], (1 - decay) * grad.square().mean(2), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(state["last"][row], (1 - decay) * grad.square().mean(1), rtol=1e-4, atol=1e-6)


def test_adams_moments_are_the_shortest_average_and_the_squares():
    state = after([torch.tensor([2.0])])
    found = moments(state)
    assert found.keys() == {"exp_avg", "exp_avg_sq"}
    assert float(found["exp_avg"]) == pytest.approx(0.2)
    assert float(found["exp_avg_sq"]) == pytest.approx(0.004, rel=1e-4)


def test_decays_before_anything_is_learned_are_the_fixed_ones_and_theta_makes_averages_shorter_or_longer():
    learned = learned_decays(ZEROS)
    for name in ("momentum", "second", "factored"):
        torch.testing.assert_close(getattr(learned, name), getattr(DECAYS, name))
    theta = {**ZEROS, "momentum_decays": torch.tensor([0.1, -0.1, 0.0])}
    expected = [1 - 0.1 * math.e, 1 - 0.01 / math.e, 0.999]
    assert learned_decays(theta).momentum.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("theta", "decay"), [(1.0, "-21.03"), (-math.inf, "1")])
def test_a_decay_that_is_none_is_refused_with_its_value(theta, decay):
    check_decays(ZEROS)
    outside = {**ZEROS, "rms_decays": torch.tensor([theta])}
    with pytest.raises(metaopt.InputError, match=rf"'rms_decays' say a decay of {decay}; decays are from 0 to below 1"):
        check_decays(outside)
