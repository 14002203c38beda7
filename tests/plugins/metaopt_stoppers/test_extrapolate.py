import math
import time

import numpy as np
import pytest

from metaopt import CurveBatch, Observation
from metaopt.space import encode, resolve
from metaopt_stoppers.extrapolate import EXTRAPOLATE

HORIZON = 100
STEPS = np.arange(1.0, HORIZON + 1)


def batch_of(values, horizon=HORIZON, since=0):
    values = np.atleast_2d(np.asarray(values, dtype=float))
    steps = np.broadcast_to(np.arange(1.0, values.shape[1] + 1), values.shape)
    return CurveBatch(values, steps, np.full((len(values), 1), float(horizon)), since=since)


def fires(values, horizon=HORIZON, **hparams):
    return EXTRAPOLATE.fires(batch_of(values, horizon), encode(EXTRAPOLATE.space, resolve_of(hparams)))


def resolve_of(hparams):
    return resolve(EXTRAPOLATE.space, hparams, "extrapolate")


def probabilities(values, until, min_gain=0.0):
    """P after `until` validations, to a hundredth: the lowest threshold that fires."""
    thresholds = np.linspace(0.005, 0.995, 100).reshape(-1, 1, 1)
    numbers = {"probability": thresholds, "min_points": 6.0, "min_gain": min_gain}
    answers = EXTRAPOLATE.fires(batch_of(values[:, :until], since=until - 1), numbers)[:, :, -1]
    return 1 - answers.mean(0)


@pytest.mark.parametrize("until", [40, 60])
def test_the_probability_is_calibrated_on_power_laws(until):
    generator = np.random.default_rng(1)
    exponents, floors = generator.uniform(0.1, 1.5, (400, 1)), generator.uniform(0, 0.5, (400, 1))
    values = floors + STEPS**-exponents + 0.015 * generator.standard_normal((400, HORIZON))
    said = probabilities(values, until)
    came = values[:, -1] < values[:, :until].min(axis=1)
    thirds = np.digitize(said, [0.25, 0.75])
    for third in range(3):
        inside = thirds == third
        assert inside.sum() > 30
        assert came[inside].mean() == pytest.approx(said[inside].mean(), abs=0.13)
    assert ((said - came) ** 2).mean() < 0.85 * came.mean() * (1 - came.mean())


def test_it_stops_soon_on_a_plateau_and_never_while_the_curve_improves():
    generator = np.random.default_rng(0)
    noise = 0.01 * generator.standard_normal((20, HORIZON))
    plateaus = fires(0.2 + np.exp(-STEPS / 4) + noise)
    improving = fires(1 - STEPS / HORIZON + noise)
    assert np.median(np.argmax(plateaus, axis=1)) < 50
    assert plateaus.any(axis=1).all()
    assert not improving[:, :90].any()
    assert not fires(STEPS**-0.3)[:, :90].any()


def test_it_stops_an_overfitting_curve_after_its_best():
    noise = 0.01 * np.random.default_rng(0).standard_normal((20, HORIZON))
    values = np.exp(-STEPS / 6) + 0.01 * np.maximum(STEPS - 25, 0) + noise
    first = np.argmax(fires(values), axis=1)
    assert (first > 20).mean() > 0.9
    assert np.median(first) < 50


def test_a_curve_that_became_flat_to_the_last_digit_stops():
    assert fires(np.maximum(np.exp(-STEPS / 6), 0.2))[0].any()
    assert fires(-np.round(1 - np.exp(-STEPS / 5), 2))[0].any()


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (250.0, -3e4), (0.01, 7.0)])
def test_units_of_the_metric_change_no_decision(scale, shift):
    noise = 0.02 * np.random.default_rng(0).standard_normal((10, HORIZON))
    values = 0.2 + STEPS**-0.8 + noise
    assert (fires(scale * values + shift) == fires(values)).all()


def test_with_fewer_points_than_asked_for_it_never_fires(stop_at):
    assert stop_at(EXTRAPOLATE, [1.0] * 9, min_points=10) is None
    assert stop_at(EXTRAPOLATE, [1.0] * 30, min_points=10) == 10
    assert stop_at(EXTRAPOLATE, [1.0, math.nan, None, "bad", math.inf] * 10, min_points=6) == 26
    assert stop_at(EXTRAPOLATE, [math.nan] * 50) is None


@pytest.mark.parametrize("horizon", [None, 500])
def test_a_curve_that_never_got_below_its_first_value_stops_at_once(stop_at, horizon):
    rising = [1.0 + 0.1 * number for number in range(30)]
    assert stop_at(EXTRAPOLATE, rising, min_points=8, horizon=horizon) == 8
    assert stop_at(EXTRAPOLATE, [-value for value in rising], min_points=8, horizon=horizon, mode="max") == 8


def test_without_a_horizon_it_looks_as_far_ahead_as_it_has_come(stop_at):
    assert stop_at(EXTRAPOLATE, (STEPS**-0.5).tolist(), horizon=None) is None
    noise = 0.01 * np.random.default_rng(0).standard_normal(HORIZON)
    assert stop_at(EXTRAPOLATE, (0.2 + np.exp(-STEPS / 4) + noise).tolist(), horizon=None) < 60


def test_values_that_are_missing_count_as_never_measured():
    values = 0.2 + np.exp(-STEPS / 4) + 0.01 * np.random.default_rng(0).standard_normal(HORIZON)
    gone = np.arange(HORIZON) % 3 == 1
    holes = np.where(gone, np.nan, values)
    kept = CurveBatch(values[None, ~gone], STEPS[None, ~gone], np.array([[float(HORIZON)]]))
    numbers = encode(EXTRAPOLATE.space, resolve_of({}))
    assert not fires(holes)[0, gone].any()
    assert (fires(holes)[0, ~gone] == EXTRAPOLATE.fires(kept, numbers)[0]).all()


def test_a_spike_puts_the_decision_off_and_does_not_prevent_it():
    values = 0.2 + np.exp(-STEPS / 4) + 0.01 * np.random.default_rng(0).standard_normal((20, HORIZON))
    spiked = np.where(STEPS == 12, 1e30, values)
    smooth, bent = (np.median(np.argmax(fires(one), axis=1)) for one in (values, spiked))
    assert fires(spiked).any(axis=1).all()
    assert smooth < bent < 2 * smooth


def test_a_setting_outside_its_range_is_refused(create):
    for name, value in (("probability", 0.0), ("probability", 1.5), ("min_points", 5), ("min_gain", -0.1)):
        with pytest.raises(ValueError, match=rf"extrapolate\.{name} must be"):
            create(EXTRAPOLATE, **{name: value})


def test_a_decision_at_100_points_is_fast(create):
    values = (0.1 + STEPS**-0.5 + 0.01 * np.random.default_rng(0).standard_normal(HORIZON)).tolist()
    stopper = create(EXTRAPOLATE, probability=1e-9)
    for step, value in enumerate(values, 1):
        stopper.observe(Observation(step, value, 2 * HORIZON))
    state, seconds = stopper.state_dict(), []
    for _ in range(10):
        stopper.load_state_dict(state)
        started = time.process_time()
        stopper.observe(Observation(HORIZON + 1, values[-1], 2 * HORIZON))
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.02  # about 2 ms on one core
