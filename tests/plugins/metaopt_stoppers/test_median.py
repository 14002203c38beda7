"""The median stopping rule on numbers worked out by hand."""

import math

import numpy as np
import pytest

from metaopt import Curve, CurveBatch
from metaopt_stoppers._shared.curve_units import relative
from metaopt_stoppers.median import MEDIAN


def batch_of(*values, every=25, horizon=100, sign=1.0):
    curves = [Curve(every * np.arange(1.0, len(one) + 1), np.asarray(one, float), horizon) for one in values]
    return CurveBatch.from_curves(curves, sign)


#: Relative to their first values of 1: 0, −1/3 (.5), −3/5 (.25), … so running averages at the end are known fractions.
SLOW, MIDDLE, FAST = [1.0, 1.0, 1.0, 1.0], [1.0, 0.5, 0.5, 0.5], [1.0, 0.25, 0.25, 0.25]


@pytest.fixture(scope="module")
def theta():
    return MEDIAN.fit([batch_of(SLOW, MIDDLE, FAST)], np.random.default_rng(0))


def fires(batch, theta, quantile=0.5, warmup=0.0):
    return MEDIAN.fires(batch, {"quantile": quantile, "warmup": warmup}, theta)


def test_theta_holds_the_medians_of_running_averages(theta):
    # The middle curve's relative values are 0, −1/3, −1/3, −1/3.
    medians = theta["averages"][0]
    assert medians[9] == pytest.approx(-1 / 6)  # half the horizon: (0 − 1/3) / 2
    assert medians[19] == pytest.approx(-1 / 4)  # all of it: (0 − 1/3 · 3) / 4
    assert (medians[:4] == 1.0).all(), "before the first validation nobody is worse than the worst"
    assert theta["averages"][10][19] == pytest.approx(0.0), "the worst run never improved"


def test_a_run_whose_best_is_worse_than_the_median_average_is_stopped(theta):
    # Relative values of .8 and .7 are −1/9 and −3/17; the medians of the averages at .5, .75, 1: −1/6, −2/9, −1/4.
    found = fires(batch_of([1.0, 0.8, 0.7, 0.7], [1.0, 0.5, 0.9, 0.9]), theta)
    assert found.tolist() == [[False, True, True, True], [False, False, False, False]]


def test_the_best_counts_and_not_the_latest_value(theta):
    assert not fires(batch_of([1.0, 0.3, 5.0, 9.0]), theta).any()


def test_a_higher_quantile_spares_more_runs_and_levels_are_interpolated(theta):
    middling = batch_of([1.0, 0.8, 0.8, 0.8])
    assert fires(middling, theta).any()
    assert not fires(middling, theta, quantile=1.0).any()
    # At the whole horizon quantiles .5 and 1 are −1/4 and 0, so that .75 is −1/8, and −1/9 is worse than that.
    assert fires(middling, theta, quantile=0.75)[0, 3]
    assert not fires(middling, theta, quantile=0.8)[0, 3]


def test_warmup_and_many_policies_at_once(theta):
    warmup = np.array([0.0, 0.6, 0.9]).reshape(-1, 1, 1)
    found = fires(batch_of(SLOW), theta, quantile=np.full((3, 1, 1), 0.5), warmup=warmup)
    # At the first validation everybody's average is 0, and 0 is not worse than 0.
    assert found[:, 0].tolist() == [[False, True, True, True], [False, False, True, True], [False, False, False, True]]


def test_an_unknown_horizon_and_curves_without_a_value_never_fire(theta):
    unknown = CurveBatch(np.ones((1, 4)), 25.0 * np.arange(1, 5)[None], np.array([[math.inf]]))
    assert not fires(unknown, theta).any()
    assert not fires(batch_of([math.nan] * 4), theta).any()


def test_theta_knows_no_unit(theta):
    scaled = MEDIAN.fit([batch_of(*(1e6 * np.asarray(one) for one in (SLOW, MIDDLE, FAST)))], np.random.default_rng(0))
    np.testing.assert_allclose(scaled["averages"], theta["averages"], atol=1e-15)


def test_failed_validations_and_early_ends_are_left_out_of_averages():
    # The only finite values are 1 and .5 (relative 0 and −1/3); after its end the curve keeps the average −1/6.
    found = MEDIAN.fit([batch_of([1.0, math.inf, 0.5])], np.random.default_rng(0))
    assert found["averages"][:, 19] == pytest.approx(-1 / 6)


def test_relative_values_of_losses_accuracies_and_zeros():
    values = np.array([2.0, 1.0, 0.5, -0.4, 0.0, 1e308])
    first = np.array([1.0, 1.0, 1.0, -0.1, 0.0, 1e-300])
    assert relative(values, first) == pytest.approx([1 / 3, 0, -1 / 3, -0.6, 0, 1])
