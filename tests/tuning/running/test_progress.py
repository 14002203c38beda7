"""Progress counts each training once a phase and predicts the time that is left."""

import time

import pytest

from metaopt.tuning.running import progress
from metaopt.tuning.running.progress import Phase, TimeLimit, TimeUpError, Tracker


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def reports():
    return []


@pytest.fixture
def tracker(reports):
    tracker = Tracker(reports.append)
    tracker.plan({"references": Phase(10, 10.0), "": Phase(30, 30.0)})
    return tracker


def test_what_is_asked_for_twice_counts_once_in_a_phase(tracker, reports):
    tracker.begin("references")
    tracker.add(["a", "b"], trained=False)
    tracker.add(["b"], trained=False)
    assert (reports[-1].done, reports[-1].total) == (2, 40)
    tracker.begin("")
    tracker.add(["b", "c"], trained=False)
    assert reports[-1].done == 10 + 2


def test_a_phase_that_takes_more_or_fewer_than_planned_moves_no_other(tracker, reports):
    tracker.begin("references")
    tracker.add(range(50), trained=False)
    assert reports[-1].done == 10
    tracker.begin("")
    assert reports[-1].done == 10
    tracker.begin("unforeseen")
    tracker.add(range(5), trained=False)
    assert (reports[-1].done, reports[-1].seconds_left) == (40, None)


def test_it_says_what_is_trained_and_the_best_of_the_phase(tracker, reports):
    tracker.begin("fold1of2")
    tracker.improve(0.5)
    tracker.train("digits")
    assert (reports[-1].what, reports[-1].best) == ("fold1of2: digits", 0.5)
    tracker.begin("fold2of2")
    assert (reports[-1].what, reports[-1].best) == ("fold2of2", None)


def test_time_left_begins_as_predicted_and_follows_the_pace(tracker, reports, clock):
    tracker.begin("references")
    assert reports[-1].seconds_left == pytest.approx(40.0)
    tracker.train("digits")
    clock[0] = 30.0
    tracker.add(range(10), trained=True)
    assert reports[-1].seconds_left == pytest.approx(30 * (30 + 1) / (10 + 1))


def test_the_forecast_is_corrected_aloud_once_after_the_first_task(reports, clock):
    lines = []
    tracker = Tracker(reports.append, lines.append)
    tracker.plan({"references": Phase(10, 10.0), "": Phase(30, 30.0)})
    tracker.begin("references")
    tracker.train("digits")
    clock[0] = 8.0
    tracker.add(range(2), trained=True, predicted=1.0)
    tracker.train("digits")
    assert lines == []
    clock[0] = 16.0
    tracker.add(range(2, 4), trained=True, predicted=1.0)
    tracker.train("wine")
    assert lines == [f"At the pace of the first task, about {38 * (16 + 1) / (2 + 1) / 60:.0f} min are left."]
    clock[0] = 90.0
    tracker.add(range(4, 10), trained=True, predicted=8.0)
    tracker.begin("")
    assert len(lines) == 1
    assert reports[-1].seconds_left == pytest.approx(30 * (90 + 1) / (10 + 1))


def test_what_lies_between_trainings_counts(tracker, reports, clock):
    tracker.begin("references")
    tracker.train("digits")
    clock[0] = 10.0
    tracker.add(range(10), trained=True)
    clock[0] = 19.0
    tracker.begin("")
    assert reports[-1].seconds_left == pytest.approx(30 * (19 + 1) / (10 + 1))


def test_blocks_of_other_workers_are_half_done(reports, clock):
    lines = []
    tracker = Tracker(reports.append, lines.append)
    tracker.plan({"": Phase(8, 80.0)}, workers=2, speedup=2.0)
    tracker.begin("")
    assert reports[-1].seconds_left == pytest.approx(80.0 / 2)
    tracker.train("4 tasks")
    clock[0] = 10.0
    tracker.add([0], trained=True, predicted=10.0)
    assert reports[-1].seconds_left == pytest.approx(70 * (10 + 0.5) / (10 * 1.5 + 1))
    assert lines == []
    clock[0] = 11.0
    tracker.add([1], trained=True, predicted=10.0)
    assert len(lines) == 1


def test_what_an_earlier_call_trained_does_not_make_the_pace_faster(tracker, reports):
    tracker.begin("references")
    tracker.add(range(10), trained=False)
    assert reports[-1].seconds_left == pytest.approx(30.0)


def test_without_a_prediction_nothing_is_known_until_something_was_trained(reports, clock):
    tracker = Tracker(reports.append)
    tracker.plan({"": Phase(4)})
    tracker.begin("")
    assert reports[-1].seconds_left is None
    tracker.train("a job")
    clock[0] = 7.0
    tracker.add(["run"], trained=True)
    assert reports[-1].seconds_left == pytest.approx(21.0)


def test_a_deadline_ends_trainings_only_where_it_is_enforced():
    limit = TimeLimit(time.monotonic() - 1, train=True)
    limit.check()
    with limit.enforced(), pytest.raises(TimeUpError):
        limit.check()
    limit.check()
    assert limit.late
    assert limit.remaining == ", 0 s left"


def test_an_error_inside_lifts_the_deadline_again():
    limit = TimeLimit(time.monotonic() - 1, train=True)
    with pytest.raises(TimeUpError), limit.enforced():
        limit.check()
    limit.check()


def test_without_a_deadline_nothing_is_late():
    limit = TimeLimit(None, train=True)
    with limit.enforced():
        limit.check()
    assert not limit.late
    assert limit.remaining == ""


def test_a_ledger_that_is_only_read_trains_nothing():
    with pytest.raises(TimeUpError):
        TimeLimit(None, train=False).check()
