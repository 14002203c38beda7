"""A user hears of it where no worker begins, and none are begun for ever."""

import pytest

from metaopt.tuning.executors.ray_cluster import beginnings as beginnings_module
from metaopt.tuning.executors.ray_cluster.beginnings import Beginnings
from metaopt.tuning.executors.ray_cluster.refusals import WAITING


@pytest.fixture
def at(monkeypatch):
    """Sets the clock."""
    return lambda seconds: monkeypatch.setattr(beginnings_module.time, "monotonic", lambda: seconds)


def test_waiting_is_said_once_and_not_at_once(at):
    lines = []
    beginnings = Beginnings(lines.append)
    for seconds in (100.0, 120.0, 131.0, 200.0):
        at(seconds)
        beginnings.wait()
        assert lines == ([] if seconds < 130 else [WAITING])


def test_workers_that_die_are_given_up_after_many_and_a_while(at):
    beginnings, error = Beginnings(print), RuntimeError("The actor died.")
    for number in range(8):
        at(100.0 + number)  # all on a machine that goes away
        assert beginnings.fail(error) is None
    at(131.0)
    assert str(beginnings.fail(error)).startswith("9 workers of the cluster in a row died before they could begin: The")
    beginnings.succeed()
    assert beginnings.fail(error) is None
