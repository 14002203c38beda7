"""Reads and writes happen as a whole or not at all, wait for what passes, and fail in one sentence."""

import contextlib
import sqlite3
import threading
import time

import pytest
import sqlalchemy as sa

import metaopt
from metaopt.tuning.ledger import database as databases
from metaopt.tuning.ledger.dashboard import opened
from metaopt.tuning.ledger.database import Database, create_missing, patiently
from metaopt.tuning.ledger.ledger import Ledger

TABLES = sa.MetaData()
NOTES = sa.Table(
    "notes",
    TABLES,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("text", sa.Text, nullable=False, index=True),
)


@pytest.fixture
def database(url):
    notes = Database(url, lambda engine, url: create_missing(engine, TABLES))
    yield notes
    notes.close()


def texts(database):
    return {row.name: row.text for row in database.read(sa.select(NOTES))}


def test_a_row_that_is_there_stays_as_it_is(database):
    database.add(NOTES, [{"name": "a", "text": "first"}])
    database.add(NOTES, [{"name": "a", "text": "second"}, {"name": "b", "text": "third"}])
    assert texts(database) == {"a": "first", "b": "third"}


def test_rows_are_added_all_or_none(database):
    with pytest.raises(metaopt.StorageError, match=r"The storage .* cannot be written: .*NOT NULL constraint failed"):
        database.add(NOTES, [{"name": "a", "text": "first"}, {"name": "b", "text": None}])
    assert texts(database) == {}


def test_a_statement_says_how_many_rows_it_touched(database):
    database.add(NOTES, [{"name": name, "text": "same"} for name in "abc"])
    assert database.write(sa.delete(NOTES).where(NOTES.c.name != "a")) == 2
    assert database.write(sa.delete(NOTES).where(NOTES.c.name == "z")) == 0


def test_what_cannot_be_read_is_told_in_one_sentence(database):
    missing = sa.Table("missing", sa.MetaData(), sa.Column("name", sa.Text))
    with pytest.raises(metaopt.StorageError, match=r"The storage .*study.db' cannot be read: no such table: missing; "):
        database.read(sa.select(missing))


def test_a_lock_that_passes_is_waited_for(database, url, monkeypatch):
    monkeypatch.setattr(databases, "RETRY_SECONDS", 0.01)
    database.write(sa.text("PRAGMA busy_timeout = 0"))
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.2, other.rollback)
    release.start()
    database.add(NOTES, [{"name": "a", "text": "in the end"}])
    release.join()
    other.close()
    assert texts(database) == {"a": "in the end"}


def test_waiting_ends_when_patience_does(monkeypatch):
    monkeypatch.setattr(databases, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(databases, "RETRY_SECONDS", 0.01)
    begun, attempts = time.monotonic(), []

    def attempt():
        attempts.append(time.monotonic() - begun)
        raise sa.exc.OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked"))

    with pytest.raises(sa.exc.OperationalError):
        patiently(attempt)
    assert len(attempts) > 1
    assert attempts[-1] > 0.05


def test_what_waiting_does_not_mend_fails_at_once():
    attempts = []

    def attempt():
        attempts.append(1)
        raise sa.exc.OperationalError("SELECT 1", {}, sqlite3.OperationalError("no such column: a"))

    with pytest.raises(sa.exc.OperationalError):
        patiently(attempt)
    assert attempts == [1]


def test_an_index_that_a_killed_process_did_not_come_to_is_made(url):
    path = url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE notes (name VARCHAR(16) PRIMARY KEY, text TEXT NOT NULL)")
    with contextlib.closing(Database(url, lambda engine, url: create_missing(engine, TABLES))):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        indexes = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()
    assert ("ix_notes_text",) in indexes


def test_what_lies_in_memory_has_no_folder_and_what_lies_in_a_file_has_one_beside_it(database, tmp_path):
    assert not database.in_memory
    assert database.folder == tmp_path / "study.db.weights"
    with contextlib.closing(Database("sqlite://", lambda engine, url: create_missing(engine, TABLES))) as memory:
        assert memory.in_memory
        assert memory.folder is None


def test_what_several_open_at_once_for_the_first_time_is_made_once(tmp_path):
    for attempt in range(3):
        url = f"sqlite:///{tmp_path / f'{attempt}.db'}"
        start, failed = threading.Barrier(4), []

        def begin(url=url, start=start, failed=failed):
            start.wait()
            try:
                with contextlib.closing(Ledger(url)) as ledger, opened(ledger.url, "mine"):
                    pass
            except metaopt.MetaOptError as error:
                failed.append(error)

        threads = [threading.Thread(target=begin) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        with contextlib.closing(Ledger(url)) as ledger:
            assert ledger.studies() == []
