"""A stopper written for one validation says what one written over whole arrays says."""

import copy
import gzip
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest

import metaopt
from metaopt import CurveBatch, Observation, PluginError, ThresholdStopper
from metaopt.contracts import first_stop

CURVES = Path(__file__).resolve().parents[3] / "shared/data/curves/alexnet_tuning.results.jsonl.gz"


def waits_begin(hparams):
    return {"best": np.inf, "since": 0.0}


def waits_step(state, seen, hparams):
    better = seen.value < state["best"] - hparams["margin"]
    since = np.where(better, seen.fraction, state["since"])
    fires = seen.fraction - since >= hparams["patience"]
    return fires, {"best": np.where(better, seen.value, state["best"]), "since": since}


def rises_begin(hparams):
    return {"before": np.inf, "rises": 0}


def rises_step(state, seen, hparams):
    up = seen.value > state["before"]
    rises = np.where(up, state["rises"] + 1, 0)
    return rises >= hparams["rises"], {"before": seen.value, "rises": rises}


def ratio_step(state, seen, hparams):
    loss = seen.signal("train_loss")
    lowest = np.fmin(state["lowest"], loss)
    return loss > hparams["ratio"] * lowest, {"lowest": lowest}


WAITS = metaopt.scan(waits_begin, waits_step)
RISES = metaopt.scan(rises_begin, rises_step)
RATIO = metaopt.scan(lambda hparams: {"lowest": np.inf}, ratio_step)


def waits_by_hand(values, steps, horizon, margin, patience):
    best, since, fires = math.inf, 0.0, []
    for value, step in zip(values, steps, strict=True):
        fraction = step / horizon
        if value < best - margin:
            best, since = value, fraction
        fires.append(fraction - since >= patience)
    return fires


def rises_by_hand(values, count):
    before, rises, fires = math.inf, 0, []
    for value in values:
        rises = rises + 1 if value > before else 0
        before = value
        fires.append(rises >= count)
    return fires


def batch_of(values, horizon=100.0, **signals):
    values = np.asarray(values, dtype=np.float64)
    steps = np.broadcast_to(10.0 * np.arange(1, values.shape[1] + 1), values.shape)
    return CurveBatch(values, steps, np.full((len(values), 1), horizon), signals=signals)


@pytest.fixture(scope="module")
def rough():
    """Curves with gaps, jumps and infinite values."""
    rng = np.random.default_rng(0)
    values = np.exp(-np.arange(30) / 8) + 0.2 * rng.standard_normal((40, 30))
    values[rng.random(values.shape) < 0.1] = np.nan
    values[rng.random(values.shape) < 0.02] = np.inf
    values[0] = np.nan
    return batch_of(values, 300.0)


def column(*values):
    return np.asarray(values, dtype=np.float64).reshape(-1, 1, 1)


@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_it_is_a_loop_over_the_validations_of_each_curve(rough, margin):
    found = WAITS(rough, {"margin": margin, "patience": 0.2})
    expected = [
        waits_by_hand(values, steps, 300.0, margin, 0.2)
        for values, steps in zip(rough.values, rough.steps, strict=True)
    ]
    assert found.shape == rough.values.shape
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, expected)


def test_many_policies_are_each_policy_alone(rough):
    margins, patiences = [0.0, 0.05, 0.3, 0.0], [0.1, 0.2, 0.05, 0.5]
    together = WAITS(rough, {"margin": column(*margins), "patience": column(*patiences)})
    assert together.shape == (4, *rough.values.shape)
    for answer, margin, patience in zip(together, margins, patiences, strict=True):
        np.testing.assert_array_equal(answer, WAITS(rough, {"margin": margin, "patience": patience}))


def test_policies_that_share_their_settings_get_an_answer_each(rough):
    together = RISES(rough, {"rises": column(2.0, 2.0, 2.0)})
    assert together.shape == (3, *rough.values.shape)
    expected = [rises_by_hand(values, 2) for values in rough.values]
    np.testing.assert_array_equal(together, np.broadcast_to(expected, together.shape))


@pytest.mark.skipif(not CURVES.is_file(), reason="the recorded curves ../shared/data/curves are absent")
def test_real_curves_of_a_metric_that_is_better_when_higher():
    with gzip.open(CURVES, "rt") as lines:
        runs = [json.loads(line) for line, _ in zip(lines, range(100), strict=False)]
    curves = [
        metaopt.Curve(
            steps=np.arange(1.0, len(run["learning_curve"]) + 1),
            values=[math.nan if point["top_1"] is None else -point["top_1"] for point in run["learning_curve"]],
            horizon=run["epochs"],
        )
        for run in runs
    ]
    hparams = {"margin": 0.001, "patience": 0.1}
    stops = first_stop(WAITS(CurveBatch.from_curves(curves, sign=-1.0), hparams))
    assert len(set(stops.tolist())) > 5
    for curve, stop in zip(curves, stops, strict=True):
        hand = waits_by_hand(curve.values, curve.steps, curve.horizon, **hparams)
        assert (hand.index(True) if True in hand else len(hand)) == min(stop, len(hand))
        policy = ThresholdStopper("waits", WAITS, hparams, mode="max")
        said = [
            policy.observe(Observation(int(step), -float(value), curve.horizon)).stop
            for step, value in zip(curve.steps, curve.values, strict=True)
        ]
        assert (said.index(True) if True in said else len(said)) == min(stop, len(said))


@pytest.mark.parametrize("mode", ["min", "max"])
def test_observing_follows_the_pure_form(rough, mode):
    sign = 1.0 if mode == "min" else -1.0
    for fires, hparams in ((WAITS, {"margin": 0.05, "patience": 0.2}), (RISES, {"rises": 3})):
        stops = first_stop(fires(rough, hparams))
        for values, steps, stop in zip(rough.values, rough.steps, stops, strict=True):
            policy = ThresholdStopper("mine", fires, hparams, mode)
            said = [
                policy.observe(Observation(int(step), sign * value, 300)).stop
                for value, step in zip(values.tolist(), steps, strict=True)
            ]
            assert (said.index(True) if True in said else len(said)) == stop


def test_observing_takes_one_step_however_long_the_history():
    seen = []

    def step(state, now, hparams):
        seen.append(now.number)
        return now.value > 1e9, state

    policy = ThresholdStopper("counts", metaopt.scan(lambda hparams: {}, step), {})
    for number in range(1, 51):
        policy.observe(Observation(number, 1.0, 100))
    assert seen == list(range(1, 51))


def test_another_horizon_is_another_plan():
    policy = ThresholdStopper("waits", WAITS, {"margin": 0.0, "patience": 0.5})
    for step, value in ((10, 1.0), (20, 2.0), (30, 2.0)):
        assert not policy.observe(Observation(step, value, 1000)).stop
    # With fewer steps planned, all that was seen counts as more of them.
    assert policy.observe(Observation(40, 2.0, 60)).stop


@pytest.mark.parametrize("at", [0, 3, 7])
def test_a_resumed_stopper_goes_on(at):
    values = [3.0, 2.0, 2.5, math.nan, 2.4, 2.3, 2.2, 2.1, 2.6]
    whole = ThresholdStopper("waits", WAITS, {"margin": 0.0, "patience": 0.5})
    expected = [whole.observe(Observation(10 * n, value, 100)).stop for n, value in enumerate(values, 1)]
    first = ThresholdStopper("waits", WAITS, {"margin": 0.0, "patience": 0.5})
    said = [first.observe(Observation(10 * n, value, 100)).stop for n, value in enumerate(values[:at], 1)]
    second = ThresholdStopper("waits", WAITS, {"margin": 0.0, "patience": 0.5})
    second.observe(Observation(5, 0.0, 100))  # what it saw before it was loaded is forgotten
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    said += [second.observe(Observation(10 * n, value, 100)).stop for n, value in enumerate(values[at:], at + 1)]
    assert said == expected
    assert True in said


def test_a_signal_is_the_series_or_nan():
    losses = np.asarray([[1.0, 0.5, 2.0, 0.4], [1.0, np.nan, 1.0, 3.0]])
    with_loss = batch_of(np.ones((2, 4)), train_loss=losses)
    expected = [[False, False, True, False], [False, False, False, True]]
    np.testing.assert_array_equal(RATIO(with_loss, {"ratio": 2.0}), expected)
    assert not RATIO(batch_of(np.ones((2, 4))), {"ratio": 2.0}).any()


def test_an_unknown_horizon_is_no_progress():
    batch = batch_of([[3.0, 2.0, 2.0, 2.0]], math.inf)
    assert not WAITS(batch, {"margin": 0.0, "patience": 0.1}).any()


def test_a_policy_without_hyperparameters_or_state():
    fires = metaopt.scan(lambda hparams: {}, lambda state, seen, hparams: (seen.sign * seen.value > 2, state))
    np.testing.assert_array_equal(fires(batch_of([[1.0, 3.0]]), {}), [[False, True]])


def test_curves_without_a_validation_never_fire():
    assert WAITS(batch_of(np.ones((3, 0))), {"margin": 0.0, "patience": column(0.1, 0.2)}).shape == (2, 3, 0)


def test_it_can_be_copied_and_pickled(rough):
    hparams = {"margin": 0.0, "patience": 0.2}
    for other in (pickle.loads(pickle.dumps(WAITS)), copy.deepcopy(WAITS)):
        np.testing.assert_array_equal(other(rough, hparams), WAITS(rough, hparams))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            lambda state, seen, hparams: seen.value > 1,
            r"step must return \(fires, state\), with the state a dict",
        ),
        (lambda state, seen, hparams: (seen.value > 1, None), r"scan: step must return \(fires, state\)"),
        (lambda state, seen, hparams: (seen.value, state), r"booleans .* got an array of float64 .* of shape \(2,\)"),
        (lambda state, seen, hparams: (np.ones(3, bool), state), r"broadcast to \(2,\), got an array of bool .*\(3,\)"),
    ],
)
def test_an_answer_that_does_not_fit_is_named(step, message):
    with pytest.raises(PluginError, match=message):
        metaopt.scan(lambda hparams: {}, step)(batch_of(np.ones((2, 4))), {})


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"worst": 1.0}, r"scan: step returned the state keys \{worst\}, init made \{best, waited\}\."),
        ({"best": 1.0}, r"scan: step returned the state keys \{best\}, init made \{best, waited\}\."),
        ({"best": 1.0, "waited": 0, "more": 1}, r"step returned the state keys \{best, more, waited\}, init made"),
    ],
)
def test_a_state_with_other_keys_is_named_at_the_first_step(state, message):
    steps = []

    def step(old, seen, hparams):
        steps.append(seen.number)
        return seen.value > 1, state

    fires = metaopt.scan(lambda hparams: {"best": np.inf, "waited": 0}, step)
    with pytest.raises(PluginError, match=message):
        fires(batch_of(np.ones((2, 4))), {})
    with pytest.raises(PluginError, match=message):
        ThresholdStopper("mine", fires, {}).observe(Observation(1, 1.0, 100))
    assert steps == [1, 1]


def test_a_first_state_that_is_no_dict_is_named():
    fires = metaopt.scan(lambda hparams: None, lambda state, seen, hparams: (seen.value > 1, {}))
    with pytest.raises(PluginError, match="scan: init must return the state, a dict, got None"):
        fires(batch_of(np.ones((2, 4))), {})


def test_what_is_no_function_is_named():
    with pytest.raises(PluginError, match="scan: step must be a function, got 3"):
        metaopt.scan(waits_begin, 3)
    with pytest.raises(PluginError, match="scan takes no 'begin'; it takes init, step"):
        metaopt.scan(begin=waits_begin, step=waits_step)


def test_a_mistake_in_step_is_named_with_its_line():
    def step(state, seen, hparams):
        return seen.value.nonsense > 1, state

    spec = metaopt.StopperSpec(name="wrong", version="1", fires=metaopt.scan(lambda hparams: {}, step))
    from metaopt import testing

    (failed, *_) = testing.check(spec).failures
    assert "AttributeError: 'numpy.ndarray' object has no attribute 'nonsense'" in failed.message
    assert failed.location is not None
    assert failed.location.source == "return seen.value.nonsense > 1, state"
