import math

import numpy as np
import pytest

from metaopt import CurveBatch, Observation
from metaopt_stoppers.prechelt import PRECHELT


def plain_gl(errors, t):
    best = min(errors[: t + 1])
    return 100 * (errors[t] / best - 1)


def plain_progress(train, t, k):
    strip = train[t - k + 1 : t + 1]
    return 1000 * (sum(strip) / (k * min(strip)) - 1)


def plain_up(errors, t, k, s):
    """Epochs are counted from 1 in the paper, and from 0 here."""
    if (t + 1) % k or t - k < 0 or not errors[t] > errors[t - k]:
        return False
    return s == 1 or plain_up(errors, t - k, k, s - 1)


@pytest.fixture
def noisy():
    rng = np.random.default_rng(0)
    time = np.arange(60)
    errors = 1 + np.exp(-time / 8) + 0.01 * time + 0.05 * rng.standard_normal((8, 60))
    train = 0.1 + np.exp(-time / 8) + 0.02 * rng.random((8, 60))
    steps = np.broadcast_to(10.0 * (time + 1), errors.shape)
    return CurveBatch(errors, steps, np.full((8, 1), 600.0), signals={"train_loss": train})


@pytest.mark.parametrize("alpha", [1.0, 5.0, 20.0])
def test_gl_is_the_papers_formula(noisy, alpha):
    fires = PRECHELT.fires(noisy, {"criterion": 0, "alpha": alpha, "strip": 5, "successive": 1})
    expected = [[plain_gl(errors, t) > alpha for t in range(60)] for errors in noisy.values]
    assert fires.any()
    assert fires.tolist() == expected


@pytest.mark.parametrize("strip", [1, 4, 5, 7])
@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.5])
def test_pq_is_the_papers_formula(noisy, alpha, strip):
    fires = PRECHELT.fires(noisy, {"criterion": 1, "alpha": alpha, "strip": strip, "successive": 1})
    for errors, train, fired in zip(noisy.values, noisy.signals["train_loss"], fires, strict=True):
        for t in range(60):
            ends = (t + 1) % strip == 0
            progress = plain_progress(train, t, strip) if ends else math.nan
            expected = ends and plain_gl(errors, t) > alpha * progress
            assert fired[t] == expected
    assert fires.any()


@pytest.mark.parametrize("strip", [1, 3, 5])
@pytest.mark.parametrize("successive", [1, 2, 3])
def test_up_is_the_papers_formula(noisy, successive, strip):
    fires = PRECHELT.fires(noisy, {"criterion": 2, "alpha": 1, "strip": strip, "successive": successive})
    expected = [[plain_up(errors, t, strip, successive) for t in range(60)] for errors in noisy.values]
    assert fires.any()
    assert fires.tolist() == expected


def test_gl_by_hand(stop_at):
    assert stop_at(PRECHELT, [2.0, 1.0, 1.04, 1.06], alpha=5) == 4


def test_for_negative_values_a_loss_is_still_a_loss(stop_at):
    assert stop_at(PRECHELT, [0.5, 0.8, 0.79, 0.7], alpha=10, mode="max") == 4
    assert stop_at(PRECHELT, [0.5, 0.6, 0.7, 0.8], alpha=10, mode="max") is None


def test_above_a_minimum_of_zero_any_rise_is_infinite(stop_at):
    assert stop_at(PRECHELT, [1.0, 0.0, 0.0, 1e-9], alpha=50) == 4


@pytest.mark.parametrize("bad", [math.nan, math.inf, None, "broken"])
def test_what_is_no_finite_number_is_infinitely_bad(stop_at, bad):
    assert stop_at(PRECHELT, [1.0, 0.9, bad], alpha=50) == 3
    assert stop_at(PRECHELT, [bad], alpha=50) == 1
    assert stop_at(PRECHELT, [bad] * 9, criterion="up", strip=2, successive=3) == 8
    pq = {"criterion": "pq", "strip": 2, "signals": [{"train_loss": 1.0 / n} for n in range(1, 5)]}
    assert stop_at(PRECHELT, [1.0, bad, 0.9, bad], **pq) == 2


def test_only_pq_needs_the_training_loss():
    assert PRECHELT.required({"criterion": "gl"}) == PRECHELT.required({"criterion": "up"}) == frozenset()
    assert PRECHELT.required({"criterion": "pq"}) == {"train_loss"}


@pytest.mark.filterwarnings("ignore:The stopper 'prechelt' requires train_loss")
@pytest.mark.parametrize("signals", [None, [{"train_loss": math.nan}] * 10, [{"other": 1.0}] * 10])
def test_pq_without_a_training_loss_is_gl_at_the_ends_of_strips(stop_at, signals):
    values = [1.0, 1.0, 1.1, 1.1, 1.1]
    assert stop_at(PRECHELT, values, criterion="pq", alpha=5, strip=2, signals=signals) == 4
    assert stop_at(PRECHELT, values, criterion="pq", alpha=15, strip=2, signals=signals) is None


def test_pq_waits_while_training_still_progresses(stop_at):
    values, setting = [1.0, 1.2, 1.2, 1.2], {"criterion": "pq", "alpha": 1, "strip": 2}
    fast = [{"train_loss": loss} for loss in (1.0, 0.5, 0.25, 0.125)]
    stalled = [{"train_loss": loss} for loss in (1.0, 0.5, 0.5, 0.5)]
    assert stop_at(PRECHELT, values, signals=fast, **setting) is None
    assert stop_at(PRECHELT, values, signals=stalled, **setting) == 4


def test_its_reason_names_the_criterion(create):
    stopper = create(PRECHELT, criterion="up", strip=1, successive=1)
    stopper.observe(Observation(1, 1.0))
    assert "criterion=up" in stopper.observe(Observation(2, 2.0)).reason
