"""A long run shows how far it is: a live line in a terminal, a line now and then elsewhere."""

import sys

import pytest

from metaopt.cli import watching
from metaopt.cli.live_watch import LiveWatch
from metaopt.tuning import Progress


def at(done, best=None, left=None):
    return Progress(done, 100, "fold1of2: digits", best, left)


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    return now


def test_outside_a_terminal_a_line_follows_each_tenth_of_the_run(capsys, clock):
    with watching.watching() as watch:
        for done in range(101):
            watch.show(at(done, best=0.5, left=200.0))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0] == " 10%  fold1of2: digits, best objective 0.500, about 3 min left"


def test_outside_a_terminal_a_line_follows_after_half_a_minute(capsys, clock):
    with watching.watching() as watch:
        watch.show(at(1))
        clock[0] = 31.0
        watch.show(at(2, left=12.0))
        watch.show(at(3))
    assert capsys.readouterr().err.splitlines() == ["  2%  fold1of2: digits, about 12 s left"]


def test_what_is_said_stays(capsys):
    with watching.watching() as watch:
        watch.say("About to run at most 9 trainings.")
    assert capsys.readouterr().err == "About to run at most 9 trainings.\n"


def test_in_a_terminal_there_is_a_live_line(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with watching.watching() as watch:
        assert isinstance(watch, LiveWatch)
