"""One driver a study."""

import os
import signal
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

import metaopt
from metaopt.tuning import drivers
from metaopt.tuning.ledger import Ledger

DRIVE = """
import sys, time
from metaopt.tuning.ledger import Ledger
with Ledger(sys.argv[1]).driving("mine"):
    print("driving", flush=True)
    time.sleep(120)
"""


def start_driver(url: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", DRIVE, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "driving\n"
    return process


def test_a_second_driver_is_refused_by_name_while_the_first_is_alive(url: str) -> None:
    first = start_driver(url)
    try:
        with (
            pytest.raises(metaopt.StorageError, match=f"'mine' .* is being driven by process {first.pid} on"),
            Ledger(url).driving("mine"),
        ):
            pass
        with Ledger(url).driving("another"):
            pass
    finally:
        first.kill()
        first.wait()


def test_after_a_kill_the_same_command_goes_on_at_once(url: str) -> None:
    first = start_driver(url)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    begun = time.monotonic()
    with Ledger(url).driving("mine"):
        pass
    assert time.monotonic() - begun < drivers.SILENCE_SECONDS / 2


def test_a_driver_that_is_done_leaves_nothing_behind(url: str) -> None:
    ledger = Ledger(url)
    with ledger.driving("mine"):
        pass
    with ledger.driving("mine"):
        pass


def test_a_driver_on_another_machine_counts_as_alive_while_its_count_moves(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drivers, "BEAT_SECONDS", 0.2)
    monkeypatch.setattr(drivers, "SILENCE_SECONDS", 2.0)
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    with Ledger(url).driving("mine"):
        monkeypatch.setattr("socket.gethostname", lambda: "here")
        with pytest.raises(metaopt.StorageError, match="on elsewhere"), Ledger(url).driving("mine"):
            pass


def test_a_silent_driver_on_another_machine_is_replaced(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drivers, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(drivers, "SILENCE_SECONDS", 0.5)
    ledger = Ledger(url)
    gone = {"token": "t", "host": "elsewhere", "pid": 1, "process_start": "1", "beats": 7, "study": "mine"}
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.insert(drivers.TABLES.tables["metaopt_drivers"]), [gone])
    with ledger.driving("mine"):
        pass


def test_a_locked_database_is_waited_for(url: str) -> None:
    ledger = Ledger(url)
    lock = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); c.execute('begin exclusive'); "
            "print('locked', flush=True); time.sleep(8); c.rollback()",
            url.removeprefix("sqlite:///"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert lock.stdout is not None
    assert lock.stdout.readline() == "locked\n"
    ledger.claim("mine", {"seed": 0})
    lock.wait()
    with pytest.raises(metaopt.StorageError, match="seed was 0, is 1"):
        ledger.claim("mine", {"seed": 1})
