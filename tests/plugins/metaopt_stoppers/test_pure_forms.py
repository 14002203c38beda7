import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import metaopt_stoppers
from metaopt import CurveBatch, Observation
from metaopt.space import encode, resolve
from metaopt.testing.stoppers.fitted import theta_of

SPECS = {spec.name: spec for spec in metaopt_stoppers.metaopt_plugins() if not spec.combines}
NAMES = st.sampled_from(sorted(SPECS))
NUMBERS = st.floats(-2, 4, width=16) | st.sampled_from([math.nan, math.inf, -math.inf])
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=25)
UNITS = st.lists(st.floats(0, 1), min_size=4, max_size=4)
HORIZONS = st.sampled_from([None, 50, 250])
SLOW = settings(deadline=None, max_examples=150)


def pure(spec):
    """The array form; what is fitted holds what the conformance kit's curves taught it."""
    return spec.pure(theta_of(spec))


SIGNALS = ("train_loss", "evidence", "stop", "lr")


def setting(spec, units):
    return {name: domain.from_unit(unit) for (name, domain), unit in zip(spec.space.items(), units, strict=False)}


def numbers(spec, units):
    return encode(spec.space, resolve(spec.space, setting(spec, units), spec.name))


def batch_of(pairs, horizon):
    values, train = np.array(pairs, dtype=float).T
    steps = 10.0 * np.arange(1, len(pairs) + 1)
    return CurveBatch(
        values[None], steps[None], np.array([[math.inf if horizon is None else horizon]]),
        signals=dict.fromkeys(SIGNALS, train[None]),
    )  # fmt: skip


def follow(stopper, pairs, horizon, start=0):
    return [
        stopper.observe(Observation(10 * (start + number), value, horizon, dict.fromkeys(SIGNALS, train)))
        for number, (value, train) in enumerate(pairs, 1)
    ]


@pytest.mark.parametrize("name", SPECS)
@given(pairs=PAIRS, units=UNITS, horizon=HORIZONS)
@settings(deadline=None, max_examples=40)
def test_observing_one_by_one_stops_where_the_array_form_first_fires(create, name, pairs, units, horizon):
    spec = SPECS[name]
    fires = pure(spec)(batch_of(pairs, horizon), numbers(spec, units))[0]
    stops = [decision.stop for decision in follow(create(spec, **setting(spec, units)), pairs, horizon)]
    assert stops == np.logical_or.accumulate(fires).tolist()


@given(name=NAMES, pairs=PAIRS, units=UNITS, horizon=HORIZONS, cut=st.integers(0, 25))
@SLOW
def test_a_resumed_stopper_goes_on_as_if_never_interrupted(create, name, pairs, units, horizon, cut):
    spec = SPECS[name]
    hparams = setting(spec, units)
    first, second = create(spec, **hparams), create(spec, **hparams)
    before = follow(first, pairs[:cut], horizon)
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    after = follow(second, pairs[cut:], horizon, start=len(before))
    assert before + after == follow(create(spec, **hparams), pairs, horizon)


@given(name=NAMES, pairs=PAIRS, units=UNITS, horizon=HORIZONS)
@SLOW
def test_what_comes_later_changes_nothing_before(name, pairs, units, horizon):
    spec = SPECS[name]
    hparams = numbers(spec, units)
    whole = pure(spec)(batch_of(pairs, horizon), hparams)[0]
    for length in range(1, len(pairs)):
        assert (pure(spec)(batch_of(pairs[:length], horizon), hparams)[0] == whole[:length]).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_many_policies_over_many_curves_are_each_policy_over_each_curve(name):
    spec, rng = SPECS[name], np.random.default_rng(0)
    num_policies, num_curves, length = 30, 12, 40
    values = np.exp(-np.arange(length) / 10) + 0.1 * rng.standard_normal((num_curves, length))
    values[rng.random(values.shape) < 0.02] = np.nan
    batch = CurveBatch(
        values,
        np.broadcast_to(10.0 * np.arange(1, length + 1), values.shape),
        rng.choice([300.0, 400.0, math.inf], (num_curves, 1)),
        signals={name: np.abs(values) if name == "train_loss" else values for name in SIGNALS},
    )
    policies = [numbers(spec, rng.random(4)) for _ in range(num_policies)]
    stacked = {name: np.array([policy[name] for policy in policies]).reshape(-1, 1, 1) for name in spec.space}
    together = pure(spec)(batch, stacked)
    assert together.shape == (num_policies, num_curves, length)
    assert together.dtype == np.bool_
    for policy, fires in zip(policies, together, strict=True):
        assert (pure(spec)(batch, policy) == fires).all()
    for row in range(num_curves):
        alone = CurveBatch(
            values[row : row + 1], batch.steps[row : row + 1], batch.horizon[row : row + 1],
            signals={name: series[row : row + 1] for name, series in batch.signals.items()},
        )  # fmt: skip
        assert (pure(spec)(alone, stacked) == together[:, row : row + 1]).all()


@pytest.mark.parametrize("name", SPECS)
def test_some_hyperparameters_may_be_shared_by_all_policies(name):
    spec = SPECS[name]
    batch = batch_of([(1.0, 1.0), (0.5, 0.5), (0.7, 0.2), (0.8, 0.1)] * 5, 200)
    shared = numbers(spec, [0.5] * 4)
    for swept in spec.space:
        column = np.array([numbers(spec, [unit] * 4)[swept] for unit in (0.0, 0.5, 1.0)]).reshape(-1, 1, 1)
        fires = pure(spec)(batch, {**shared, swept: column})
        expected = [pure(spec)(batch, {**shared, swept: float(value)}) for value in column.reshape(-1)]
        assert (fires == np.stack(expected)).all()


@pytest.mark.parametrize("name", SPECS)
def test_curves_without_a_validation_never_stop(name):
    spec = SPECS[name]
    empty = CurveBatch(np.empty((2, 0)), np.empty((2, 0)), np.full((2, 1), 10.0))
    assert pure(spec)(empty, numbers(spec, [0.5] * 4)).shape == (2, 0)
