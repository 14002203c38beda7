"""Thresholds of many policies, and a quantity that is evaluated once for those that share its settings."""

import numpy as np

from metaopt_stoppers._shared.distinct import exceeds

SERIES = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


def policies(*numbers):
    return np.array(numbers).reshape(-1, 1, 1)


def test_one_policy_has_one_answer():
    assert exceeds(2.5, lambda: SERIES).tolist() == (SERIES > 2.5).tolist()
    assert exceeds(2.5, lambda factor: factor * SERIES, 2.0).tolist() == (2 * SERIES > 2.5).tolist()


def test_each_policy_is_answered_by_its_own_threshold_and_settings():
    found = exceeds(
        policies(2.5, 0.5, 9.0), lambda factor, shift: factor * SERIES + shift, policies(1.0, 2.0, 1.0), 3.0
    )
    assert found.shape == (3, 2, 3)
    for row, (threshold, factor) in enumerate([(2.5, 1.0), (0.5, 2.0), (9.0, 1.0)]):
        assert found[row].tolist() == (factor * SERIES + 3.0 > threshold).tolist()


def test_settings_that_several_share_are_evaluated_once():
    calls = []

    def quantity(factor, window):
        calls.append((float(factor), float(window)))
        return factor * SERIES

    exceeds(policies(1.0, 2.0, 3.0, 4.0), quantity, policies(1.0, 2.0, 1.0, 2.0), policies(5.0, 5.0, 5.0, 6.0))
    assert sorted(calls) == [(1.0, 5.0), (2.0, 5.0), (2.0, 6.0)]


def test_what_is_not_known_exceeds_nothing():
    assert not exceeds(policies(-1.0, 0.0), lambda factor: factor * np.full((2, 3), np.nan), 1.0).any()
