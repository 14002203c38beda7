"""Successive halving against a stored population, on numbers worked out by hand."""

import math

import numpy as np
import pytest

from metaopt import Curve, CurveBatch
from metaopt_stoppers.asha import ASHA

EVERY, HORIZON = 10, 160


def batch_of(*values, sign=1.0):
    curves = [Curve(EVERY * np.arange(1.0, len(one) + 1), np.asarray(one, float), HORIZON) for one in values]
    return CurveBatch.from_curves(curves, sign)


def down_to(value, length=16):
    """Straight from 1 to a value at the second of so many validations, where it stays."""
    return [1.0, *[value] * (length - 1)]


@pytest.fixture(scope="module")
def theta():
    """Eight runs whose best values are .1, .2, …, .8 from the second validation on."""
    return ASHA.fit([batch_of(*(down_to(value / 10) for value in range(1, 9)))], np.random.default_rng(0))


def fires(batch, theta, eta, rungs):
    return ASHA.fires(batch, {"eta": eta, "rungs": rungs}, theta)


def test_limits_are_what_one_in_eta_reached(theta):
    # Relative to 1, a value v is (v − 1) / (v + 1): of eight runs the 4th, the 2nd (⌊8/3⌋) and the 2nd (8/4) best.
    fourth, second = -0.6 / 1.4, -0.8 / 1.2
    assert theta["limits"][:, 0] == pytest.approx([fourth, second, second])
    # 1/16 of the horizon is the first validation, where all are equal.
    assert theta["limits"][0, 3] == 0.0
    assert theta["limits"][2, 1] == 0.0


def test_only_the_best_pass_a_rung_and_judgement_is_at_the_rung_alone(theta):
    among, below = down_to(0.4), down_to(0.41)
    found = fires(batch_of(among, below), theta, 2, 1)
    assert not found[0].any()
    assert np.flatnonzero(found[1]).tolist() == [7], "half of 16 validations"
    found = fires(batch_of(below), theta, 2, 3)
    assert np.flatnonzero(found[0]).tolist() == [1, 3, 7], "an eighth, a quarter, a half"


def test_more_rungs_judge_earlier_and_policies_stand_side_by_side(theta):
    eta, rungs = np.array([2, 2, 4]).reshape(-1, 1, 1), np.array([1, 2, 1]).reshape(-1, 1, 1)
    found = fires(batch_of(down_to(0.9)), theta, eta, rungs)
    assert [np.flatnonzero(one[0]).tolist() for one in found] == [[7], [3, 7], [3]]


def test_a_sparse_run_is_judged_at_the_first_validation_after_a_rung(theta):
    sparse = CurveBatch(np.array([[1.0, 0.9, 0.9]]), np.array([[30.0, 100.0, 160.0]]), np.array([[float(HORIZON)]]))
    assert fires(sparse, theta, 2, 1).tolist() == [[False, True, False]]


def test_a_run_without_a_finite_value_is_the_worst(theta):
    assert np.flatnonzero(fires(batch_of([math.nan] * 16), theta, 4, 1)[0]).tolist() == [3]


def test_without_a_horizon_there_are_no_rungs(theta):
    unknown = CurveBatch(np.ones((1, 4)), np.arange(1.0, 5)[None], np.array([[math.inf]]))
    assert not fires(unknown, theta, 2, 5).any()


def test_a_curve_that_ended_early_keeps_its_best():
    short, long = down_to(0.1, length=3), down_to(0.5)
    limits = ASHA.fit([batch_of(short, long)], np.random.default_rng(0))["limits"]
    assert limits[0, 0] == pytest.approx(-0.9 / 1.1)


def test_accuracies_are_compared_as_losses_are():
    # As a loss's ratio to its first value, so an accuracy's: .4 from .1 is as far as .1 from .4.
    up = batch_of([-0.1, *[-0.4] * 15], [-0.1, *[-0.2] * 15], sign=-1.0)
    down = batch_of([0.4, *[0.1] * 15], [0.4, *[0.2] * 15])
    fitted = [ASHA.fit([one], np.random.default_rng(0))["limits"] for one in (up, down)]
    np.testing.assert_allclose(*fitted)
