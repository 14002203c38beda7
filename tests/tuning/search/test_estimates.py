"""What a candidate is taken to score on tasks that it did not run on, and once noise is taken off."""

import numpy as np
import pytest

from metaopt.tuning.search.estimates import filled, shrunken


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


# Noise


def additive(candidates: int, tasks: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.asarray(generator.normal(size=(candidates, 1)) + generator.normal(size=tasks))


def test_scores_without_noise_stay_as_they_are() -> None:
    table = np.random.default_rng(0).normal(size=(10, 5))
    np.testing.assert_allclose(shrunken(table, [0.0] * 5), table)


def test_scores_of_noise_alone_become_those_of_the_tasks() -> None:
    """Candidates that are all alike: each task has its mean, whoever it is."""
    generator = np.random.default_rng(1)
    ease = np.asarray([0.5, -0.5, 0.0, 1.0])
    table = ease + 0.1 * generator.normal(size=(40, 4))
    found = shrunken(table, [0.2] * 4)
    np.testing.assert_allclose(found, np.broadcast_to(table.mean(axis=0), found.shape))


def test_where_noise_explains_what_the_additive_fit_does_not_that_fit_remains() -> None:
    quality = additive(30, 6)
    table = quality + 0.1 * np.random.default_rng(1).normal(size=quality.shape)
    found = shrunken(table, [0.15] * 6)
    middle = found - found.mean(axis=0) - found.mean(axis=1, keepdims=True) + found.mean()
    np.testing.assert_allclose(middle, 0, atol=1e-12)
    assert np.square(found - quality).mean() < 0.5 * np.square(table - quality).mean()


def test_a_table_worked_out_by_hand() -> None:
    """Tasks are 0 in the mean, candidates -1, 0 and 1, and what is left over is 0 but for ±.5 in the first two rows.

    Of two tasks and three candidates two residuals are free: Σ r² of each task is .5, over one degree each. Noise of
    variance .25 is half of that, so half of it is kept. Means over two tasks have an eighth of variance by noise; the
    spread of the candidates is 1, so seven eighths of theirs are kept.
    """
    table = np.asarray([[-0.5, -1.5], [-0.5, 0.5], [1.0, 1.0]])
    found = shrunken(table, [0.5, 0.5])
    expected = 7 / 8 * np.asarray([[-1.0], [0.0], [1.0]]) + 0.5 * np.asarray([[0.5, -0.5], [-0.5, 0.5], [0.0, 0.0]])
    np.testing.assert_allclose(found, expected)


def test_each_task_shrinks_by_its_own_noise() -> None:
    table = np.random.default_rng(0).normal(size=(12, 4))
    found = shrunken(table, [0.0, 0.0, 0.0, 9.0])
    left = found - found.mean(axis=0)
    assert np.ptp(left[:, 3]) < np.ptp(left[:, 0])


def test_two_candidates_say_too_little() -> None:
    table = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert shrunken(table, [9.0, 9.0]) is table
    assert shrunken(np.empty((0, 3)), [1.0] * 3).shape == (0, 3)


def test_candidates_that_are_all_the_same_stay() -> None:
    table = np.ones((5, 3)) * np.asarray([0.1, 0.2, 0.3])
    np.testing.assert_allclose(shrunken(table, [0.5] * 3), table)
    np.testing.assert_allclose(shrunken(np.asarray([[1.0], [2.0], [3.0]]), [0.0]), [[1.0], [2.0], [3.0]])
