"""Means over the latest validations."""

import math

import numpy as np
import pytest

from metaopt_stoppers._shared.recent import recent_mean

NAN = math.nan


def test_it_is_the_mean_of_the_known_values_of_a_full_window():
    series = np.array([[1.0, NAN, 3.0, 8.0, NAN, NAN], [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]])
    expected = [[NAN, NAN, 2.0, 5.5, 5.5, 8.0], [NAN, NAN, 4.0, 6.0, 8.0, 10.0]]
    np.testing.assert_array_equal(recent_mean(series, 3), expected)


def test_where_none_is_known_there_is_no_mean():
    np.testing.assert_array_equal(recent_mean(np.array([[NAN, NAN, 1.0]]), 2), [[NAN, NAN, 1.0]])


@pytest.mark.parametrize("window", [1, 1.9])
def test_a_window_of_one_is_the_series(window):
    series = np.array([[3.0, NAN, 1.0]])
    np.testing.assert_array_equal(recent_mean(series, window), series)


@pytest.mark.parametrize("window", [4, 1e9])
def test_a_window_longer_than_the_series_is_never_full(window):
    assert np.isnan(recent_mean(np.ones((2, 3)), window)).all()
