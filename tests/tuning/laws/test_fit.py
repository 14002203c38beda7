"""Exponents are found where they are there, and left alone where they are not."""

import warnings

import numpy as np
import pytest

from metaopt import RateLaw
from metaopt.contracts import Scale
from metaopt.tuning.laws.fit import BestRate, fitted

PRIOR = RateLaw()


def sweeps(law, noise, seed=0, families=6, axes=("parameters", "batch_size", "total_steps")):
    """Best rates on a ladder of families, an axis at a time around a middle."""
    rng = np.random.default_rng(seed)
    for number in range(families):
        level = rng.normal(0, 2)
        for axis in axes:
            for times in (1 / 8, 1 / 2, 1, 2, 8):
                middle = {"parameters": 2e4, "batch_size": 32, "total_steps": 400}
                scale = Scale(**{**middle, axis: middle[axis] * times})
                yield BestRate(f"family {number}", scale, level + np.log2(law.factor(scale)) + rng.normal(0, noise))


def test_other_exponents_than_the_priors_are_found_and_win():
    law = RateLaw(0.6, 0.1, 0.5)
    found = fitted(list(sweeps(law, noise=0.4)), PRIOR)
    assert found.wins
    assert found.law.exponents == pytest.approx(law.exponents, abs=0.12)
    assert found.errors[1] < 0.7 * found.errors[0]
    assert found.law.measured["parameters"] == (2_500, 160_000)
    assert 0.2 < found.law.spread < 0.6


def test_the_mean_rate_of_the_ladder_stays():
    rates = list(sweeps(RateLaw(0.6, 0.1, 0.5), noise=0.1))
    found = fitted(rates, PRIOR)
    before = np.mean([np.log2(PRIOR.factor(rate.scale)) for rate in rates])
    after = np.mean([found.shift + np.log2(found.law.factor(rate.scale)) for rate in rates])
    assert after == pytest.approx(before)


def test_a_prior_that_holds_is_seldom_replaced_and_never_by_much():
    found = [fitted(list(sweeps(PRIOR, noise=1.0, seed=seed)), PRIOR) for seed in range(40)]
    assert sum(own.wins for own in found) <= 16
    for own in found:
        assert own.law.exponents == pytest.approx(PRIOR.exponents, abs=0.2)
        assert own.wins or own.law.measured == {}


def test_an_axis_that_hardly_varies_keeps_its_prior():
    rates = list(sweeps(RateLaw(0.7, 0.0, 0.0), noise=0.2, axes=("parameters",)))
    found = fitted(rates, PRIOR)
    assert found.wins
    assert found.law.parameters == pytest.approx(0.7, abs=0.12)
    assert found.law.batch_size == PRIOR.batch_size
    assert set(found.law.measured) == {"parameters"}


def test_two_families_are_too_few_to_leave_one_out():
    found = fitted(list(sweeps(RateLaw(0.9, 0.0, 0.0), noise=0.1, families=2)), PRIOR)
    assert found.law.exponents == PRIOR.exponents
    assert found.shift == 0
    assert found.errors[1] < found.errors[0]
    assert not found.wins


def test_a_single_family_is_fitted_without_a_word_of_numpy():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fitted(list(sweeps(RateLaw(0.9, 0.0, 0.0), noise=0.1, families=1)), PRIOR)
    assert found.law.exponents == PRIOR.exponents
    assert not found.wins
