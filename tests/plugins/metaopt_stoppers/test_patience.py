import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metaopt import CurveBatch, Observation
from metaopt_stoppers.patience import PATIENCE


def test_ten_validations_without_improvement_are_ten(stop_at):
    assert stop_at(PATIENCE, [1.0, *[2.0] * 9], patience=10) is None
    assert stop_at(PATIENCE, [1.0, *[2.0] * 10], patience=10) == 11


def test_patience_1_stops_at_the_first_validation_without_improvement(stop_at):
    assert stop_at(PATIENCE, [3.0, 2.0, 1.0, 1.0, 0.5], patience=1) == 4


def test_every_improvement_starts_the_wait_anew(stop_at):
    assert stop_at(PATIENCE, [5, 6, 6, 4, 6, 6, 3, 6, 6, 6], patience=3) == 10


def test_a_metric_that_is_better_when_higher(stop_at):
    assert stop_at(PATIENCE, [0.1, 0.5, 0.9, 0.8, 0.8], patience=2, mode="max") == 5


def test_a_fraction_is_one_of_the_planned_steps_whatever_the_cadence(stop_at):
    values = [1.0, *[2.0] * 99]
    assert stop_at(PATIENCE, values, patience=0.3, horizon=1000, every=10) == 31
    assert stop_at(PATIENCE, values, patience=0.3, horizon=1000, every=100) == 4
    assert stop_at(PATIENCE, values, patience=0.3, horizon=1000, every=70) == 6


def test_a_fraction_without_a_horizon_is_one_of_a_hundred_validations(stop_at):
    assert stop_at(PATIENCE, [1.0, *[2.0] * 99], patience=0.07, horizon=None) == 8


def test_an_improvement_must_exceed_min_delta(stop_at):
    falling = [1.0, 0.95, 0.9, 0.85, 0.8]
    assert stop_at(PATIENCE, falling, patience=2, min_delta=0.2) == 3
    assert stop_at(PATIENCE, falling, patience=4, min_delta=0.12) is None


def test_a_relative_min_delta_points_the_right_way_for_negative_values(stop_at):
    setting = {"patience": 1, "min_delta": 0.1, "min_delta_mode": "rel"}
    assert stop_at(PATIENCE, [-1.0, -1.2, -1.4], **setting) is None
    assert stop_at(PATIENCE, [-1.0, -1.05], **setting) == 2
    assert stop_at(PATIENCE, [100.0, 89.0, 81.0], **setting) == 3


def test_it_never_fires_in_the_warm_up_but_counts(stop_at):
    rising = [float(number) for number in range(1, 21)]
    assert stop_at(PATIENCE, rising, patience=3, warmup=0.5, horizon=200) == 10
    assert stop_at(PATIENCE, rising, patience=3, warmup=0.1, horizon=200) == 4


def clocked(name, readings):
    return [{name: reading} for reading in readings]


def test_patience_in_steps_ignores_how_often_one_validates(stop_at):
    values = [1.0, *[2.0] * 99]
    assert stop_at(PATIENCE, values, patience=300, unit="steps", every=10) == 31
    assert stop_at(PATIENCE, values, patience=300, unit="steps", every=100) == 4
    assert stop_at(PATIENCE, values, patience=300, unit="steps", every=70, horizon=400) == 6


def test_patience_in_epochs_and_seconds_counts_what_the_signal_says(stop_at):
    values = [2.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    halves = clocked("epoch", [0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    assert stop_at(PATIENCE, values, patience=1, unit="epochs", signals=halves) == 4
    assert stop_at(PATIENCE, values, patience=1.5, unit="epochs", signals=halves) == 5
    uneven = clocked("seconds", [10.0, 20.0, 21.0, 22.0, 50.0, 51.0])
    assert stop_at(PATIENCE, values, patience=30, unit="seconds", signals=uneven) == 5
    assert stop_at(PATIENCE, values, patience=32, unit="seconds", signals=uneven) is None


def test_before_any_improvement_all_units_count_from_the_start(stop_at):
    assert stop_at(PATIENCE, [math.nan] * 9, patience=40, unit="steps") == 4
    seconds = clocked("seconds", [25.0, 50.0, 75.0])
    assert stop_at(PATIENCE, [math.nan] * 3, patience=50, unit="seconds", signals=seconds) == 2


def test_the_warm_up_counts_in_the_same_unit(stop_at):
    rising = [float(number) for number in range(1, 21)]
    assert stop_at(PATIENCE, rising, patience=10, unit="steps", warmup=120) == 12
    seconds = clocked("seconds", [2.0 * number for number in range(1, 21)])
    assert stop_at(PATIENCE, rising, patience=2, unit="seconds", warmup=15, signals=seconds) == 8
    assert stop_at(PATIENCE, rising, patience=3, warmup=7) == 7
    assert stop_at(PATIENCE, rising, patience=0.1, warmup=15, horizon=200) == 15


@pytest.mark.parametrize("strange", [math.nan, None, "late", math.inf, 4.0])
def test_a_clock_that_is_missing_or_goes_back_stands_still(stop_at, strange):
    seconds = clocked("seconds", [5.0, strange, 6.0, strange, 9.0])
    assert stop_at(PATIENCE, [1.0, 2.0, 2.0, 2.0, 2.0], patience=4, unit="seconds", signals=seconds) == 5


def test_a_clock_that_was_never_there_is_named_and_never_fires(create):
    stopper = create(PATIENCE, unit="epochs", patience=1)
    with pytest.warns(UserWarning, match=r"requires epoch and the observation at step 1 has none.*'epoch': \.\.\."):
        stopper.observe(Observation(1, 1.0))
    assert not any(stopper.observe(Observation(step, 2.0)).stop for step in range(2, 50))


def test_each_unit_requires_its_clock():
    needs = {unit: PATIENCE.required({"unit": unit}) for unit in ("auto", "steps", "epochs", "seconds")}
    assert needs == {"auto": set(), "steps": set(), "epochs": {"epoch"}, "seconds": {"seconds"}}


def test_tuning_proposes_no_unit_that_means_something_else_on_each_task():
    assert {PATIENCE.space["unit"].from_unit(unit / 10) for unit in range(11)} == {"auto"}


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.floats(-3, 3, width=16) | st.just(math.nan), min_size=1, max_size=20),
    gaps=st.lists(st.floats(0, 8, width=16), min_size=20, max_size=20),
    policies=st.lists(
        st.tuples(st.sampled_from([0.07, 0.5, 1.0, 3.0, 25.0]), st.sampled_from([0.0, 0.3, 4.0]), st.integers(0, 3)),
        min_size=1,
        max_size=5,
    ),
)
def test_policies_of_any_units_side_by_side_are_each_one_observed(create, values, gaps, policies):
    steps, times = 10.0 * np.arange(1, len(values) + 1), np.cumsum(gaps)[: len(values)]
    signals = {"epoch": times / 4, "seconds": times}
    batch = CurveBatch(
        np.array([values]), steps[None], np.array([[250.0]]), 1.0, {name: one[None] for name, one in signals.items()}
    )
    columns = np.array(policies).T.reshape(3, -1, 1, 1)
    hparams = dict(zip(("patience", "warmup", "unit"), columns, strict=True), min_delta=0.0, min_delta_mode=0)
    for (patience, warmup, unit), fires in zip(policies, PATIENCE.fires(batch, hparams)[:, 0], strict=True):
        chosen = PATIENCE.space["unit"].choices[unit]
        stopper = create(PATIENCE, patience=patience, warmup=warmup, unit=chosen)
        said = [
            stopper.observe(Observation(int(step), value, 250, {name: one[row] for name, one in signals.items()})).stop
            for row, (step, value) in enumerate(zip(steps, values, strict=True))
        ]
        assert said == np.logical_or.accumulate(fires).tolist()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None, "broken", object(), torch.zeros(2), 10**400])
def test_what_is_no_finite_number_is_no_improvement(stop_at, bad):
    assert stop_at(PATIENCE, [bad, bad, bad], patience=3) == 3
    assert stop_at(PATIENCE, [1.0, bad, 0.5, bad, bad, bad], patience=3) == 6


def test_it_says_why_and_which_step_was_best(create):
    stopper = create(PATIENCE, "max", patience=2)
    for step, value in ((10, 0.5), (20, 0.75), (30, 0.7), (40, 0.6)):
        decision = stopper.observe(Observation(step, value, 100))
    assert (decision.stop, decision.best_step, decision.best_value) == (True, 20, 0.75)
    assert decision.reason == (
        "patience(min_delta=0.0, min_delta_mode=abs, patience=2.0, unit=auto, warmup=0.0) fired at step 40 with the "
        "value 0.6: best 0.75 at step 20."
    )


@pytest.mark.parametrize(("name", "value"), [("patience", 0), ("patience", -1), ("min_delta", -0.1), ("warmup", -2)])
def test_a_setting_outside_its_range_is_refused(create, name, value):
    with pytest.raises(ValueError, match=rf"patience\.{name} must be in .*, got {value}"):
        create(PATIENCE, **{name: value})


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.floats(-3, 3, width=16) | st.just(math.nan), min_size=1, max_size=25),
    patience=st.integers(1, 6),
    min_delta=st.sampled_from([0.0, 0.125, 1.0]),
    mode=st.sampled_from(["min", "max"]),
)
def test_it_stops_where_lightnings_early_stopping_does(values, patience, min_delta, mode):
    callbacks = pytest.importorskip("lightning.pytorch.callbacks")
    reference = callbacks.EarlyStopping("value", min_delta, patience, mode=mode, check_finite=False)
    theirs = [reference._evaluate_stopping_criteria(torch.tensor(value))[0] for value in values]

    sign = 1.0 if mode == "min" else -1.0
    series = np.array([values])
    batch = CurveBatch(sign * series, np.arange(1.0, series.size + 1)[None], np.array([[100.0]]), sign)
    hparams = {"patience": patience, "min_delta": min_delta, "min_delta_mode": 0, "warmup": 0, "unit": 0}
    assert PATIENCE.fires(batch, hparams)[0].tolist() == theirs
