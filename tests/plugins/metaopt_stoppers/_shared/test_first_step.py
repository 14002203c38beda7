"""Policies decide the same whether or not somebody validated before the first step."""

import numpy as np
import pytest

from metaopt.contracts import Curve, CurveBatch
from metaopt.plugin import StopperSpec, current_registry
from metaopt.space import defaults, encode
from metaopt_stoppers._shared.first_step import from_the_first_step, without_the_start

HORIZON, LENGTH = 200, 20


def curve_of(seed, start=None, factor=1.0):
    """A noisy curve that falls and rises again, after a validation before the first step where `start` is given."""
    generator = np.random.default_rng(seed)
    x = np.linspace(0.05, 1, LENGTH)
    values = 2 * np.exp(-5 * x) + generator.uniform(0, 1.5) * x**2 + 0.03 * generator.standard_normal(LENGTH)
    values[1:] *= factor
    steps, losses = HORIZON * x, values - 0.2 * x
    if start is not None:
        values, steps, losses = (
            np.concatenate([[first], series]) for first, series in ((start, values), (0, steps), (np.nan, losses))
        )
    return Curve(steps, values, HORIZON, signals={"train_loss": losses, "lr": np.ones(len(steps))})


def fired(name, curves, **hparams):
    spec = current_registry().get(StopperSpec, name)
    fires = spec.pure(spec.learned({}) if spec.shipped is not None else theta_of(spec))
    return fires(CurveBatch.from_curves(curves), encode(spec.space, {**defaults(spec.space), **hparams}))


def theta_of(spec):
    curves = [CurveBatch.from_curves([curve_of(seed, factor=0.4) for seed in range(20, 40)])]
    return {} if spec.fit is None else spec.fit(curves, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "hparams"),
    [
        ("asha", {}),
        ("median", {}),
        ("learned_stopper", {"p": 0.5}),
        ("extrapolate", {"probability": 0.3}),
        ("prechelt", {"criterion": "up", "strip": 3, "successive": 2}),
        ("prechelt", {"criterion": "pq", "strip": 3, "alpha": 0.5}),
        ("patience", {"patience": 3}),
        ("patience", {"patience": 0.2}),
    ],
)
def test_a_bad_start_changes_no_decision(name, hparams):
    plain = fired(name, [curve_of(seed) for seed in range(8)], **hparams)
    started = fired(name, [curve_of(seed, start=2.3) for seed in range(8)], **hparams)
    assert plain.any()
    assert np.array_equal(started[:, 1:], plain)
    assert not started[:, 0].any()


def test_curves_with_and_without_a_start_may_lie_side_by_side():
    mixed = [curve_of(seed, start=2.3 if seed % 2 else None) for seed in range(8)]
    together = fired("median", mixed)
    assert together.any()
    for row, curve in enumerate(mixed):
        assert np.array_equal(together[row, : len(curve.steps)], fired("median", [curve])[0])


def test_a_good_start_is_what_a_rise_is_measured_from():
    started = fired("prechelt", [curve_of(0, start=0.1)], criterion="gl", alpha=5.0)
    assert started[0, 1:].all()
    assert not started[0, 0]


def test_a_fit_sees_the_same_curves_with_and_without_a_start():
    spec = current_registry().get(StopperSpec, "median")
    plain, started = (
        spec.fit([CurveBatch.from_curves([curve_of(seed, start=start) for seed in range(8)])], np.random.default_rng(0))
        for start in (None, 2.3)
    )
    assert np.allclose(plain["averages"], started["averages"])


def test_without_the_start_leaves_other_curves_alone():
    batch = CurveBatch.from_curves([curve_of(0)])
    assert without_the_start(batch) is batch


def test_a_policy_never_hears_of_step_zero():
    seen = []

    def policy(batch, hparams):
        seen.append(batch)
        return np.ones(batch.values.shape, dtype=np.bool_)

    batch = CurveBatch.from_curves([curve_of(0, start=2.3)])
    answer = from_the_first_step(policy)(batch, {})
    assert seen[0].steps.min() > 0
    assert answer.tolist() == [[False] + [True] * LENGTH]
