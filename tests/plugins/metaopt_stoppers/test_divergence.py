import math

import pytest

from metaopt_stoppers.divergence import DIVERGENCE


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None, "broken"])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_value_that_is_not_finite_stops_at_once(stop_at, bad, mode):
    assert stop_at(DIVERGENCE, [bad], mode=mode) == 1
    assert stop_at(DIVERGENCE, [1.0, 0.5, bad], patience=5, mode=mode) == 3


def test_values_far_above_the_best_stop_once_there_are_enough_in_a_row(stop_at):
    setting = {"factor": 3.0, "patience": 2}
    assert stop_at(DIVERGENCE, [2.0, 0.5, 7.0, 0.6, 7.0, 9.0], **setting) == 6
    assert stop_at(DIVERGENCE, [2.0, 0.5, 6.4, 6.4, 6.4], **setting) is None


def test_the_run_itself_sets_the_scale(stop_at):
    curve = [2.0, 0.5, 1.0, 7.0, 7.0]
    for scale in (1e-6, 1.0, 1e6):
        assert stop_at(DIVERGENCE, [scale * value for value in curve], factor=3.0, patience=1) == 4


def test_a_rise_from_almost_nothing_to_the_first_value_is_no_divergence(stop_at):
    assert stop_at(DIVERGENCE, [1.0, 1e-6, 0.5, 1.0, 2.0], patience=1) is None


def test_a_score_that_is_better_when_higher_and_collapses(stop_at):
    assert stop_at(DIVERGENCE, [0.5, 0.8, 0.7, -4.0, -4.0], mode="max", patience=1) == 4


def test_while_all_values_are_zero_there_is_no_scale_and_no_divergence(stop_at):
    assert stop_at(DIVERGENCE, [0.0, 0.0, 5.0, 1e-3], patience=1) is None


def test_more_patience_than_validations_never_stops_a_finite_run(stop_at):
    assert stop_at(DIVERGENCE, [1.0, *[1e9] * 5], patience=100) is None
