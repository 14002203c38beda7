import math

import pytest

from metaopt_stoppers.evidence import EVIDENCE


def signals(*values):
    return [{"evidence": value} for value in values]


def stop(stop_at, *values, **settings):
    return stop_at(EVIDENCE, [math.nan] * len(values), signals=signals(*values), **settings)


def test_it_stops_once_the_mean_of_the_window_is_positive(stop_at):
    assert stop(stop_at, -2.0, 0.1, window=1) == 2
    assert stop(stop_at, -2.0, 0.5, 0.5, 0.5, window=3) == 4
    assert stop(stop_at, -2.0, -1.0, 0.0, 0.0, window=2) is None


def test_it_waits_for_a_whole_window(stop_at):
    assert stop(stop_at, 0.5, 0.5, 0.5, 0.5, window=4) == 4
    assert stop(stop_at, 0.5, 0.5, 0.5, window=4) is None


@pytest.mark.parametrize("missing", [math.nan, None, "none"])
def test_what_is_missing_is_left_out_of_the_mean(stop_at, missing):
    assert stop(stop_at, -1.0, missing, missing, 0.5, window=3) == 4
    assert stop(stop_at, missing, missing, missing, window=2) is None


def test_a_gradient_without_any_noise_never_counts_as_noise(stop_at):
    assert stop(stop_at, -math.inf, 1.0, 1.0, 1.0, window=2) == 3
    assert stop(stop_at, 1.0, -math.inf, 1.0, window=2) is None


def test_the_metric_plays_no_part(stop_at):
    values = [3.0, 2.0, 1.0]
    assert stop_at(EVIDENCE, values, signals=signals(-1.0, -1.0, 1.0), window=1, mode="max") == 3
    assert EVIDENCE.required({"window": 1}) == {"evidence"}
