"""Recorded training runs."""

import json

import numpy as np
import pytest

from metaopt import Curve, InputError


def curve(values=(3.0, 1.0, 2.0), **fields):
    return Curve(np.arange(1.0, len(values) + 1), np.asarray(values), 10, **fields)


def test_the_best_is_the_lowest_finite_value_until_a_validation():
    assert curve().best_index() == 1
    assert curve().best_index(until=1) == 0
    assert curve([np.nan, np.inf, 2.0]).best_index() == 2
    assert curve([np.nan]).best_index() is None
    assert curve([]).best_index() is None


def test_the_test_value_is_that_of_the_best_validation():
    assert curve(test=[30.0, 10.0, 20.0]).test_at_best() == 10.0
    assert curve(test=[30.0, 10.0, 20.0]).test_at_best(until=1) == 30.0
    assert np.isnan(curve().test_at_best())
    assert np.isnan(curve([np.nan], test=[1.0]).test_at_best())


def test_a_run_without_a_finite_value_at_each_validation_diverged():
    assert not curve().diverged
    assert curve([1.0, np.nan]).diverged
    assert curve([]).diverged


def test_plain_json_and_back():
    whole = curve([1.0, np.nan, 2.0], test=[np.inf, 1.0, 2.0], signals={"train_loss": [1.0, 2.0, np.nan]})
    document = json.loads(json.dumps(whole.to_json(), allow_nan=False))
    again = Curve.from_json(document)
    np.testing.assert_array_equal(again.values, whole.values)
    np.testing.assert_array_equal(again.test, [np.nan, 1.0, 2.0])
    np.testing.assert_array_equal(again.signals["train_loss"], whole.signals["train_loss"])
    assert again.horizon == 10


def test_resampled_values_are_the_same_from_a_run_and_from_its_ledger():
    """A study that is continued decides by what is stored: as one that was just trained."""
    draws = {"validation": np.random.default_rng(0).normal(size=50), "test": np.asarray([1 / 3, np.nan])}
    whole = curve(resampled=draws)
    np.testing.assert_allclose(whole.resampled["validation"], draws["validation"], rtol=1e-5)
    document = json.loads(json.dumps(whole.to_json(), allow_nan=False))
    again = Curve.from_json(document)
    for name in draws:
        np.testing.assert_array_equal(again.resampled[name], whole.resampled[name])
    assert "resampled" not in curve().to_json()


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"test": [1.0]}, "one length, got lengths"), ({"signals": {"loss": [1.0]}}, "one length, got lengths")],
)
def test_series_of_other_lengths_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        curve(**fields)


def test_steps_must_increase():
    with pytest.raises(InputError, match="must increase"):
        Curve(np.asarray([1.0, 1.0]), np.zeros(2), 10)


def test_a_curve_prints_without_its_series():
    assert repr(curve(signals={"train_loss": [3.0, 2.0, 1.0]})) == (
        "Curve(validations=3, horizon=10, best=1.0, series=['values', 'train_loss'])"
    )
    assert repr(curve([np.nan], test=[1.0])) == "Curve(validations=1, horizon=10, best=None, series=['values', 'test'])"
