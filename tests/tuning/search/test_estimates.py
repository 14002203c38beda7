"""What a candidate is taken to score on the tasks that it did not run on."""

import numpy as np
import pytest

from metaopt.tuning.search.estimates import filled


def test_what_is_known_stays_and_what_is_not_is_as_good_as_the_candidate_and_as_hard_as_the_task() -> None:
    quality, ease = np.asarray([0.2, 0.5, -0.4, 0.0]), np.asarray([0.3, -0.2, 0.1, 0.0, 0.6, -0.5])
    whole = quality[:, None] + ease
    table = whole.copy()
    table[2:, 3:] = np.nan
    estimates = filled(table)
    assert np.array_equal(estimates[np.isfinite(table)], table[np.isfinite(table)])
    assert estimates[2, 3:] == pytest.approx(whole[2, 3:], abs=0.25)
    order = np.argsort(estimates.mean(axis=1))
    assert order.tolist() == [2, 3, 0, 1]


def test_a_late_good_candidate_that_was_dropped_ranks_before_an_early_poor_one_that_was_not() -> None:
    early, late = [0.0, 0.1, 0.0, 0.1], [0.9, 0.8, np.nan, np.nan]
    estimates = filled(np.asarray([early, late]))
    assert estimates[1].mean() > estimates[0].mean()


def test_whoever_ran_on_little_is_estimated_nearer_to_the_average() -> None:
    rng = np.random.default_rng(0)
    rest = rng.normal(0.0, 0.01, (20, 10))
    once, often = np.full(10, np.nan), np.ones(10)
    once[0] = 1.0
    often[-1] = np.nan
    estimates = filled(np.vstack([rest, once, often]))
    assert 0.3 < estimates[20, -1] < 0.7 < estimates[21, -1]


def test_nothing_known_is_no_error() -> None:
    assert filled(np.empty((0, 3))).shape == (0, 3)
    assert np.isfinite(filled(np.asarray([[0.5, np.nan]]))).all()
