"""One driver a study."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

import metaopt
from metaopt.tuning.ledger import study_lock as drivers
from metaopt.tuning.ledger import tables as ledger_tables
from metaopt.tuning.ledger.ledger import Ledger

pytestmark = pytest.mark.thorough

DRIVE = """
import sys, time
from metaopt.tuning.ledger.ledger import Ledger
with Ledger(sys.argv[1]).driving("mine"):
    print("driving", flush=True)
    time.sleep(120)
"""

LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1])
connection.execute("begin exclusive")
print("locked", flush=True)
time.sleep(8)
connection.rollback()
connection.close()
"""


@contextlib.contextmanager
def other_process(code: str, argument: str) -> "Iterator[subprocess.Popen[str]]":
    """A process that has printed its first line, and is ended after."""
    with subprocess.Popen([sys.executable, "-c", code, argument], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    opened = Ledger(url)
    yield opened
    opened.close()


def test_a_second_driver_is_refused_by_name_while_the_first_is_alive(url: str, ledger: Ledger) -> None:
    with other_process(DRIVE, url) as first:
        with (
            pytest.raises(metaopt.StorageError, match=f"'mine' .* is being driven by process {first.pid} on"),
            ledger.driving("mine"),
        ):
            pass
        with ledger.driving("another"):
            pass


def test_after_a_kill_the_same_command_goes_on_at_once(url: str, ledger: Ledger) -> None:
    with other_process(DRIVE, url) as first:
        os.kill(first.pid, signal.SIGKILL)
    begun = time.monotonic()
    with ledger.driving("mine"):
        pass
    assert time.monotonic() - begun < drivers.SILENCE_SECONDS / 2


def test_a_driver_that_is_done_leaves_nothing_behind(ledger: Ledger) -> None:
    with ledger.driving("mine"):
        pass
    with ledger.driving("mine"):
        pass


def test_a_driver_on_another_machine_counts_as_alive_while_its_count_moves(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(drivers, "SILENCE_SECONDS", 5.0)
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    with ledger.driving("mine"):
        monkeypatch.setattr("socket.gethostname", lambda: "here")
        with pytest.raises(metaopt.StorageError, match="on elsewhere"), ledger.driving("mine"):
            pass


def test_a_silent_driver_on_another_machine_is_replaced(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(drivers, "SILENCE_SECONDS", 0.5)
    gone = {"token": "t", "host": "elsewhere", "pid": 1, "process_start": "1", "beats": 7, "study": "mine"}
    engine = sa.create_engine(ledger.url)
    with engine.begin() as connection:
        connection.execute(sa.insert(ledger_tables.drivers), [gone])
    engine.dispose()
    with ledger.driving("mine"):
        pass


def test_processes_of_another_container_of_the_same_name_are_told_by_their_count(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(drivers, "SILENCE_SECONDS", 5.0)
    monkeypatch.setattr(drivers, "_processes", lambda: "container1.")
    with ledger.driving("mine"):
        monkeypatch.setattr(drivers, "_processes", lambda: "container2.")
        with pytest.raises(metaopt.StorageError, match="is being driven by process"), ledger.driving("mine"):
            pass


@pytest.mark.parametrize("jump_seconds", [-86_400.0, 86_400.0])
def test_no_jump_of_the_wall_clock_makes_a_driver_look_dead_or_alive(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, jump_seconds: float
) -> None:
    monkeypatch.setattr(drivers, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(drivers, "SILENCE_SECONDS", 2.0)
    jumps, clock = itertools.count(), time.time
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    with ledger.driving("mine"):
        monkeypatch.setattr(time, "time", lambda: clock() + jump_seconds * next(jumps))
        monkeypatch.setattr("socket.gethostname", lambda: "here")
        with pytest.raises(metaopt.StorageError, match="on elsewhere"), ledger.driving("mine"):
            pass
    with ledger.driving("mine"):
        pass


def test_a_locked_database_is_waited_for(url: str, ledger: Ledger) -> None:
    with other_process(LOCK, url.removeprefix("sqlite:///")) as lock:
        ledger.claim("mine", {"seed": 0})
        assert lock.wait() == 0
    with pytest.raises(metaopt.StorageError, match="seed was 0, is 1"):
        ledger.claim("mine", {"seed": 1})
