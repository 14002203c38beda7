"""The kit's curves have everything in them that happens to runs."""

import numpy as np

from metaopt import Curve
from metaopt.testing.stoppers.curves import HORIZON, NUM_VALIDATIONS, curves, describe_curve, observations, sign


def test_some_runs_diverge_some_never_have_a_value_and_some_end_early():
    recorded = curves(())
    assert sum(curve.diverged for curve in recorded) == 4
    assert sum(bool(np.isnan(curve.values).all()) for curve in recorded) == 1
    assert sum(bool(np.isinf(curve.values).any()) for curve in recorded) == 1
    assert sorted({len(curve.values) for curve in recorded}) == [3, NUM_VALIDATIONS]
    assert {curve.horizon for curve in recorded} == {HORIZON}


def test_each_call_gives_the_same_curves():
    for first, again in zip(curves(["train_loss"]), curves(["train_loss"]), strict=True):
        np.testing.assert_array_equal(first.values, again.values)
        np.testing.assert_array_equal(first.signals["train_loss"], again.signals["train_loss"])


def test_signals_that_a_policy_asks_for_are_recorded_at_each_validation():
    for curve in curves(["train_loss", "seconds"]):
        assert {name: len(series) for name, series in curve.signals.items()} == {
            "train_loss": len(curve.values),
            "seconds": len(curve.values),
        }


def test_observations_are_in_the_users_orientation():
    curve = Curve(np.asarray([10.0, 20.0]), np.asarray([3.0, 1.0]), 40, signals={"train_loss": [5.0, 4.0]})
    (first, second), (raised, _) = observations(curve, "min"), observations(curve, "max")
    assert (first.step, first.value, first.horizon, first.signals) == (10, 3.0, 40, {"train_loss": 5.0})
    assert (second.step, second.value, second.signals) == (20, 1.0, {"train_loss": 4.0})
    assert raised.value == -3.0
    assert (sign("min"), sign("max")) == (1.0, -1.0)


def test_a_curve_is_described_by_its_first_six_values():
    curve = Curve(np.arange(1.0, 8.0), np.asarray([1.0, 0.5, np.nan, 1 / 3, 1e20, 0.0, 7.0]), 40)
    assert describe_curve(curve) == "the curve [1, 0.5, nan, 0.333, 1e+20, 0, ...]"
