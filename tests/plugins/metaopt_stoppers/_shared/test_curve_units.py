"""Curves in units that any task shares."""

import math

import numpy as np
import pytest

from metaopt import Curve, CurveBatch
from metaopt_stoppers._shared.curve_units import (
    column,
    first_finite,
    fractions,
    latest,
    recorded,
    relative,
    relative_values,
)

GAPS = np.array([[math.nan, 4.0, math.inf, 2.0, math.nan], [1.0, -math.inf, 3.0, math.nan, 3.0]])


def test_fractions_are_of_the_horizon_where_that_is_known():
    steps = np.array([[5.0, 10.0]] * 3)
    batch = CurveBatch(steps, steps, np.array([[20.0], [math.inf], [0.0]]))
    np.testing.assert_array_equal(fractions(batch), [[0.25, 0.5], [math.nan] * 2, [math.nan] * 2])


def test_validations_that_failed_took_place_and_padding_did_not():
    curves = [Curve([1.0, 2.0, 3.0], [0.5, math.nan, 0.4], 9), Curve([1.0], [0.5], 9)]
    assert recorded(CurveBatch.from_curves(curves)).tolist() == [[True] * 3, [True, False, False]]


def test_the_latest_and_the_first_finite_value_so_far():
    np.testing.assert_array_equal(latest(GAPS), [[math.nan, 4, 4, 2, 2], [1, 1, 3, 3, 3]])
    np.testing.assert_array_equal(first_finite(GAPS), [[math.nan, 4, 4, 4, 4], [1, 1, 1, 1, 1]])


def test_relative_values_know_no_scale_and_tell_a_tenth_as_well_as_tenfold():
    values, first = np.array([3.0, 30.0, 0.3, 0.0, -3.0]), np.full(5, 3.0)
    expected = [0.0, 9 / 11, -9 / 11, -1.0, -1.0]
    np.testing.assert_allclose(relative(values, first), expected)
    np.testing.assert_allclose(relative(1e300 * values, 1e300 * first), expected)
    assert relative(np.array([0.0]), np.array([0.0])).tolist() == [0.0]


def test_of_a_loss_it_is_the_hyperbolic_tangent_of_half_the_logarithm():
    ratio = np.array([0.01, 0.5, 2.0, 70.0])
    np.testing.assert_allclose(relative(ratio, np.ones(4)), np.tanh(np.log(ratio) / 2))
    np.testing.assert_allclose(relative(-ratio, -np.ones(4)), -np.tanh(np.log(ratio) / 2), err_msg="of an accuracy")


def test_values_of_a_curve_are_relative_to_its_own_first():
    batch = CurveBatch(GAPS, np.arange(1.0, 6)[None].repeat(2, 0), np.full((2, 1), 9.0))
    np.testing.assert_allclose(
        relative_values(batch), [[math.nan, 0, math.nan, -1 / 3, math.nan], [0, math.nan, 0.5, math.nan, 0.5]]
    )


@pytest.mark.parametrize(("hparam", "shape"), [(0.5, ()), (np.float64(0.5), ()), (np.full((3, 1, 1), 0.5), (3,))])
def test_a_hyperparameter_of_many_policies_is_a_column(hparam, shape):
    assert column(hparam).shape == shape
    assert (column(hparam) == 0.5).all()
