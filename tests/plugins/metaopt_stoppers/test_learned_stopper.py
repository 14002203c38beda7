"""The learned stopper: its likelihood, what it learns from curves whose rule is known, and what it ships with."""

import json
import math

import numpy as np
import pytest
from scipy.optimize import approx_fprime

import metaopt
from metaopt import Curve, CurveBatch, Observation
from metaopt.deploy.stopping.configuration import StopperConfiguration, build_stopper
from metaopt_stoppers import learned_stopper as module
from metaopt_stoppers._shared.curve_features import NUM_FEATURES
from metaopt_stoppers.learned_stopper import LEARNED_STOPPER, fit, probability


def runs(count, seed=0, scale=1.0, offset=0.0):
    """Runs that fall until a moment of their own and rise by a tenth of what they fell thereafter."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        length, turn = int(generator.integers(15, 40)), generator.uniform(0.2, 0.9)
        time = np.arange(1, length + 1) / length
        values = np.where(time < turn, 1 - time / turn, 0.1 * (time - turn) / (1 - turn))
        found.append(Curve(np.arange(1.0, length + 1), scale * (0.2 + 0.8 * values) + offset, length))
    return CurveBatch.from_curves(found)


@pytest.fixture(scope="module")
def theta():
    return fit([runs(60)], np.random.default_rng(0))


def test_the_gradient_of_the_likelihood_is_that_of_differences():
    generator = np.random.default_rng(1)
    inputs = np.concatenate([generator.standard_normal((30, NUM_FEATURES)), np.ones((30, 1))], axis=1)
    data = (inputs, (generator.random((30, 3)) > 0.5).astype(float), np.full(30, 1 / 30))
    point = 0.3 * generator.standard_normal(module._SIZES.sum())
    _, gradient = module._loss(point, *data)
    numeric = approx_fprime(point, lambda one: module._loss(one, *data)[0], 1e-7)
    np.testing.assert_allclose(gradient, numeric, atol=1e-5)


def test_it_tells_falling_runs_from_rising_ones_on_runs_it_never_saw(theta):
    unseen = runs(60, seed=1)
    found = probability(unseen, theta)[..., 0]
    best = np.fmin.accumulate(unseen.values, axis=1)
    alive = np.isfinite(unseen.values)
    improves = (best - np.nanmin(unseen.values, axis=1, keepdims=True) > 1e-6) & alive
    later = alive & (np.cumsum(alive, axis=1) >= 5)
    right = (found > 0.5) == improves
    assert right[later].mean() > 0.95
    # Both sides matter: neither kind is rare, and both are told.
    assert right[later & improves].mean() > 0.9
    assert right[later & ~improves].mean() > 0.9


def test_it_knows_no_unit(theta):
    np.testing.assert_allclose(probability(runs(5, scale=1e5), theta), probability(runs(5), theta), atol=1e-9)


def test_p_is_what_it_is_held_against(theta):
    batch = runs(5, seed=2)
    p = np.array([0.0, 0.3, 1.0]).reshape(-1, 1, 1)
    never, some, always = LEARNED_STOPPER.fires(batch, {"p": p, "gain": 0.002}, theta)
    assert not never.any()
    assert (some == ((probability(batch, theta)[..., 0] < 0.3) & always)).all()
    # From the third value on; the model is asked no earlier.
    assert always[:, :2].sum() == 0
    assert always[:, 2:].all()


def test_a_larger_gain_is_less_likely_and_stops_sooner(theta):
    batch = runs(20, seed=4)
    alive = np.isfinite(batch.values) & (np.arange(batch.values.shape[1]) >= 4)
    small, _, large = (float(one[alive].mean()) for one in np.moveaxis(probability(batch, theta), -1, 0))
    assert small > large
    gains = np.array([0.002, 0.05]).reshape(-1, 1, 1)
    careful, thrifty = LEARNED_STOPPER.fires(batch, {"p": 0.5, "gain": gains}, theta)
    assert thrifty[alive].sum() > careful[alive].sum()


def test_an_unknown_horizon_and_fewer_than_three_values_never_fire(theta):
    values = np.array([[1.0, math.nan, 0.5, math.inf]])
    few = CurveBatch(values, np.arange(1.0, 5)[None], np.array([[4.0]]))
    assert not LEARNED_STOPPER.fires(few, {"p": 1.0, "gain": 0.002}, theta).any()
    unknown = CurveBatch(np.ones((1, 9)), np.arange(1.0, 10)[None], np.array([[math.inf]]))
    assert not LEARNED_STOPPER.fires(unknown, {"p": 1.0, "gain": 0.002}, theta).any()


def recovering(count, seed, told):
    """Runs that collapse; those whose rate has not come down yet recover, and only the signal says which."""
    generator = np.random.default_rng(seed)
    found = []
    for index in range(count):
        recovers = index % 2 == 0
        time = np.arange(1, 31) / 30
        values = np.where(time < 0.3, 1 - time, 1.0) + 0.001 * generator.random(30)
        values = np.where(recovers & (time > 0.8), 0.2, values)
        rate = np.where(time < 0.8, 1.0 if recovers else 0.3, 0.1)
        signals = {"lr": rate} if told else {}
        found.append(Curve(np.arange(1.0, 31), values, 30, signals=signals))
    return CurveBatch.from_curves(found)


def test_a_signal_tells_what_the_curve_does_not():
    found = {}
    for told in (True, False):
        learned = fit([recovering(40, 0, told)], np.random.default_rng(0))
        found[told] = probability(recovering(40, 1, told), learned)[:, 15, 0]
    assert (found[True][::2] > 0.9).all()
    assert (found[True][1::2] < 0.1).all()
    assert ((found[False] > 0.3) & (found[False] < 0.7)).all()


def test_a_signal_that_theta_never_saw_counts_for_nothing():
    learned = fit([recovering(20, 0, told=False)], np.random.default_rng(0))
    both = [probability(recovering(5, 1, told), learned) for told in (True, False)]
    np.testing.assert_allclose(*both, atol=1e-6)


def test_a_loop_without_the_signals_is_one_without_words(recwarn):
    stopper = metaopt.create_stopper("learned_stopper", p=0.3)
    stopper.observe(Observation(1, 1.0, 40))
    stopper.observe(Observation(2, 0.9, 40, {"lr": 0.5}))
    assert not recwarn.list
    assert stopper.state_dict()["signals"] == {"lr": ["nan", 0.5], "train_loss": ["nan", "nan"]}


def test_it_ships_with_weights():
    shipped = module.shipped()
    assert {name: array.shape for name, array in shipped.items()} == dict(LEARNED_STOPPER.theta_shapes)
    stopper = metaopt.create_stopper("learned_stopper", p=0.3)
    stuck = [
        stopper.observe(Observation(step, max(1 / step, 0.2) + (step > 5) * 0.01 * step, 40)) for step in range(1, 40)
    ]
    assert stuck[-1].stop
    assert stuck[-1].best_step == 5


def test_the_state_of_another_theta_is_refused_and_that_of_the_same_goes_on(theta):
    own = StopperConfiguration("learned_stopper", {"p": 0.4}, theta=theta)
    other = StopperConfiguration("learned_stopper", {"p": 0.4})
    values = runs(1, seed=3).values[0]
    horizon = len(values)
    unbroken, first = build_stopper(own, mode="min"), build_stopper(own, mode="min")
    seen = [Observation(step, float(value), horizon) for step, value in enumerate(values, 1)]
    expected = [unbroken.observe(one) for one in seen]
    assert 3 < [one.stop for one in expected].index(True) < horizon - 1
    before = [first.observe(one) for one in seen[:8]]
    state = json.loads(json.dumps(first.state_dict(), allow_nan=False))
    again = build_stopper(StopperConfiguration.from_json(json.loads(json.dumps(own.to_json()))), mode="min")
    again.load_state_dict(state)
    assert before + [again.observe(one) for one in seen[8:]] == expected
    with pytest.raises(metaopt.InputError, match="fitted to other curves; create the same stopper"):
        build_stopper(other, mode="min").load_state_dict(state)
