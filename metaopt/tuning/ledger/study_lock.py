"""One driver a study: a second one is refused by name while the first is alive."""

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from metaopt.errors import StorageError
from metaopt.tuning.ledger.database import Database
from metaopt.tuning.ledger.rows import damaged, read_rows
from metaopt.tuning.ledger.tables import drivers

#: A driver counts up this often. Whether it is alive is told by its count, not by anybody's clock.
BEAT_SECONDS = 5.0
#: A driver on another machine that has not counted for this long is taken to be gone.
SILENCE_SECONDS = 20.0


@dataclass(frozen=True)
class _Driver:
    """Who drives a study."""

    token: str
    host: str
    pid: int
    process_start: str


@contextmanager
def driving(database: Database, study: str) -> Iterator[None]:
    """Inside, this process alone drives the study.

    Raises:
        StorageError: another process drives it; the message names process and machine.
    """
    mine = _Driver(uuid.uuid4().hex, socket.gethostname(), os.getpid(), _process_start(os.getpid()))
    _take(database, study, mine)
    done = threading.Event()
    heart = threading.Thread(target=_beat, args=(database, study, mine, done), daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()
        database.write(sa.delete(drivers).where(drivers.c.study == study, drivers.c.token == mine.token))


def _take(database: Database, study: str, mine: _Driver) -> None:
    row = _row(database, study)
    if row is not None:
        if _alive(database, study, row):
            raise _refusal(database, study, row)
        database.write(sa.delete(drivers).where(drivers.c.study == study, drivers.c.token == row.token))
    values = {"token": mine.token, "host": mine.host, "pid": mine.pid, "process_start": mine.process_start, "beats": 0}
    database.add(drivers, [{"study": study, **values}])
    row = _row(database, study)
    if row is not None and row.token != mine.token:  # another process was quicker
        raise _refusal(database, study, row)


def _refusal(database: Database, study: str, row: Any) -> StorageError:
    return StorageError(
        f"The study {study!r} in {database.shown} is being driven by process {row.pid} on {row.host}; "
        "wait until it is done, end it, or use another --study-name."
    )


def _alive(database: Database, study: str, row: Any) -> bool:
    """Where its processes can be seen the process itself tells; elsewhere its count does, which takes a while."""
    if row.host == socket.gethostname() and row.process_start.startswith(_processes()):
        return bool(_process_start(row.pid) == row.process_start)
    begun = time.monotonic()
    while time.monotonic() - begun < SILENCE_SECONDS:
        time.sleep(BEAT_SECONDS / 2)
        latest = _row(database, study)
        if latest is None:
            return False
        if (latest.token, latest.beats) != (row.token, row.beats):
            return True
    return False


def _beat(database: Database, study: str, mine: _Driver, done: threading.Event) -> None:
    statement = (
        sa.update(drivers)
        .where(drivers.c.study == study, drivers.c.token == mine.token)
        .values(beats=drivers.c.beats + 1)
    )
    while not done.wait(BEAT_SECONDS):
        try:
            database.write(statement)
        except StorageError:
            continue  # the driver itself will say so, if it lasts


def _row(database: Database, study: str) -> Any | None:
    rows = read_rows(database, drivers, sa.select(drivers).where(drivers.c.study == study))
    for row in rows:  # it is counted up all the time, and so carries no checksum
        texts, numbers = (row.token, row.host, row.process_start), (row.pid, row.beats)
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(number, int) for number in numbers):
            raise damaged(database, drivers, row)
    return rows[0] if rows else None


def _process_start(pid: int) -> str:
    """What tells a process from all others: where it can be seen, and its start in ticks since the machine's own.

    Empty if there is none. No wall clock is asked, for those jump.
    """
    try:
        return _processes() + Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return f"{_processes()}unknown"


def _processes() -> str:
    """What tells this machine's processes since its start, or this container's, from those of others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino}."
    except OSError:
        return ""
