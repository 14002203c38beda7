import math

from metaopt_stoppers.budget import BUDGET


def test_it_stops_at_the_first_validation_after_the_share(stop_at):
    values = [1.0] * 20
    assert stop_at(BUDGET, values, fraction=0.5, horizon=100, every=10) == 5
    assert stop_at(BUDGET, values, fraction=0.55, horizon=100, every=10) == 6
    assert stop_at(BUDGET, values, fraction=0.07, horizon=100, every=1) == 7


def test_it_stops_after_max_steps_if_that_comes_first(stop_at):
    assert stop_at(BUDGET, [1.0] * 20, max_steps=30, horizon=1000, every=10) == 3
    assert stop_at(BUDGET, [1.0] * 20, max_steps=30, fraction=0.02, horizon=1000, every=10) == 2


def test_without_a_horizon_only_max_steps_counts(stop_at):
    assert stop_at(BUDGET, [1.0] * 20, max_steps=30) == 3
    assert stop_at(BUDGET, [1.0] * 20) is None


def test_the_metric_plays_no_part(stop_at):
    assert stop_at(BUDGET, [math.nan, None, "broken"], max_steps=30) == 3
