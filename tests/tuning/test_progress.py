"""Progress counts each training once a phase and predicts the time that is left."""

import pytest

from metaopt.tuning import progress
from metaopt.tuning.progress import Tracker


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def told():
    return []


@pytest.fixture
def tracker(told):
    tracker = Tracker(told.append)
    tracker.plan(total=40, seconds=40.0)
    return tracker


def test_what_is_asked_for_twice_counts_once_in_a_phase(tracker, told):
    tracker.begin("references")
    tracker.add(["a", "b"], trained=False)
    tracker.add(["b"], trained=False)
    assert told[-1].done == 2
    tracker.begin("fold1of2")
    tracker.add(["b", "c"], trained=False)
    assert (told[-1].done, told[-1].total) == (4, 40)


def test_it_says_what_is_trained_and_the_best_of_the_phase(tracker, told):
    tracker.begin("fold1of2")
    tracker.improve(0.5)
    tracker.train("digits")
    assert (told[-1].what, told[-1].best) == ("fold1of2: digits", 0.5)
    tracker.begin("fold2of2")
    assert (told[-1].what, told[-1].best) == ("fold2of2", None)


def test_time_left_begins_as_predicted_and_follows_the_pace(tracker, told, clock):
    tracker.begin("")
    assert told[-1].seconds_left == pytest.approx(40.0)
    tracker.train("digits")
    clock[0] = 30.0
    tracker.add(range(10), trained=True)
    assert told[-1].seconds_left == pytest.approx(30 * (30 + 10) / (10 + 10))


def test_what_an_earlier_call_trained_does_not_make_the_pace_faster(tracker, told):
    tracker.begin("")
    tracker.add(range(20), trained=False)
    assert told[-1].seconds_left == pytest.approx(20.0)


def test_without_a_prediction_nothing_is_known_until_something_was_trained(told, clock):
    tracker = Tracker(told.append)
    tracker.plan(total=4)
    tracker.begin("")
    assert told[-1].seconds_left is None
    tracker.train("a job")
    clock[0] = 7.0
    tracker.add(["run"], trained=True)
    assert told[-1].seconds_left == pytest.approx(21.0)
