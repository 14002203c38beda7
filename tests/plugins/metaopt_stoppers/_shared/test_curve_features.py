"""What a learned stopper sees of a curve, worked out by hand."""

import math

import numpy as np
import pytest

from metaopt import CurveBatch
from metaopt_stoppers._shared.curve_features import NUM_FEATURES, SIGNALS, features


def test_features_of_a_curve_worked_out_by_hand():
    batch = CurveBatch(np.array([[4.0, 2.0, 3.0, math.nan]]), np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[10.0]]))
    found = features(batch)[0]
    assert found.shape == (4, NUM_FEATURES)
    third = dict(enumerate(found[2]))
    assert [third[0], third[3]] == pytest.approx([0.3, 0.1]), "the time, and that since the best"
    assert third[4] == pytest.approx(math.log(2)), "one validation since the best"
    assert [third[5], third[6]] == pytest.approx([0.5, 0.5]), "(3 − 2) / (4 − 2)"
    assert [third[7], third[8], third[9]] == pytest.approx([-1 / 7, -1 / 3, -1 / 7]), "relative to 4: of 3, 2 and 3"
    assert found[2, 19] == pytest.approx((0 + 2 + 1) / 3 / 2), "mean change in ranges"
    assert found[:, 21].tolist() == [0, 0, 0, 1]
    assert np.isnan(found[:, 22:]).all(), "no signal is recorded"
    assert (found[3, 5:10] == found[2, 5:10]).all(), "what failed is held at the value before"


def test_features_of_signals_worked_out_by_hand():
    signals = {"train_loss": np.array([[6.0, 2.0, 3.0, math.nan]]), "lr": np.array([[0.5, 1.0, 0.25, math.nan]])}
    steps = np.array([[1.0, 2.0, 3.0, 4.0]])
    batch = CurveBatch(np.array([[4.0, 2.0, 3.0, math.nan]]), steps, np.array([[10.0]]), signals=signals)
    found = features(batch)[0, :, 22:]
    # Of 6, 2 and 3: relative to the first, least relative to the first, relative to the least, (3 − 2) / (6 − 2), rate.
    np.testing.assert_allclose(found[2], [-3 / 9, -4 / 8, 1 / 5, 1 / 4, 0.25])
    np.testing.assert_array_equal(found[3], found[2], err_msg="what is missing is held at the value before")


def falling(values, **signals):
    values = np.asarray([values])
    signals = {name: np.asarray([series]) for name, series in signals.items()}
    return CurveBatch(values, np.arange(1.0, values.size + 1)[None], np.array([[10.0]]), signals=signals)


def test_a_validation_is_seen_by_nothing_before_it():
    losses = [6.0, 5.0, 4.0, 3.0, 2.0]
    first = features(falling([4.0, 2.0, 3.0, 1.0, 5.0], train_loss=losses, lr=losses))
    second = features(falling([4.0, 2.0, 3.0, 1.0, -5.0], train_loss=losses, lr=[*losses[:4], 9.0]))
    np.testing.assert_array_equal(first[:, :4], second[:, :4])
    assert (first[:, 4] != second[:, 4]).any()


def test_a_curve_that_explodes_drowns_nothing_and_before_the_first_value_there_is_nothing():
    found = features(falling([math.nan, 1.0, 0.5, 1e300]))
    assert not found[0, 0, :22].any()
    assert np.abs(found[0, :, :22]).max() <= 10.0


def test_the_signals_are_those_that_it_reads():
    values = [4.0, 2.0]
    recorded = dict.fromkeys(SIGNALS, values)
    assert np.isfinite(features(falling(values, **recorded))).all()
    assert np.isfinite(features(falling(values, **recorded, other=values))).all()
    assert np.isnan(features(falling(values, other=values))[..., 22:]).all()
