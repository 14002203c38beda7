"""A ledger is made once, and nothing is written to one that is not what this metaopt makes."""

import contextlib
import sqlite3

import pytest

from metaopt.errors import StorageError
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.ledger.schema import SCHEMA, OldSchemaError
from metaopt.tuning.ledger.tables import TABLES


def change(url, statement):
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(statement)


@pytest.fixture
def made(url):
    """The URL of a ledger that is there, and empty."""
    Ledger(url).close()
    return url


def test_every_table_is_made_and_the_schema_written_down(made):
    with contextlib.closing(sqlite3.connect(made.removeprefix("sqlite:///"))) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == set(TABLES.tables)
        assert connection.execute("SELECT key, value FROM metaopt_info").fetchall() == [("schema", str(SCHEMA))]


def test_opening_it_again_changes_nothing(made, tmp_path):
    before = (tmp_path / "study.db").read_bytes()
    Ledger(made).close()
    assert (tmp_path / "study.db").read_bytes() == before


def test_an_older_schema_is_refused_by_what_still_reads_it(made):
    change(made, "UPDATE metaopt_info SET value = '2'")
    with pytest.raises(OldSchemaError, match=r"has schema 2, .* metaopt report and metaopt replay read it"):
        Ledger(made)


@pytest.mark.parametrize("schema", ["4", "three"])
def test_another_schema_is_refused(made, schema):
    change(made, f"UPDATE metaopt_info SET value = '{schema}'")
    with pytest.raises(
        StorageError, match=f"has schema {schema}, this metaopt writes schema {SCHEMA}; use the metaopt"
    ):
        Ledger(made)


def test_a_table_that_was_dropped_is_named(made):
    change(made, "DROP TABLE metaopt_outcomes")
    with pytest.raises(StorageError, match="lacks its table metaopt_outcomes, which somebody dropped; restore a copy"):
        Ledger(made)


def test_a_ledger_with_rows_and_no_schema_is_not_begun_anew(made):
    change(made, "INSERT INTO metaopt_studies VALUES ('mine', '{}', '')")
    change(made, "DELETE FROM metaopt_info")
    with pytest.raises(
        StorageError, match="lacks the row key='schema' of its table metaopt_info, which somebody deleted"
    ):
        Ledger(made)


def test_a_process_killed_before_the_schema_was_written_left_a_ledger_that_is_finished_now(made):
    change(made, "DELETE FROM metaopt_info")
    change(made, "DROP TABLE metaopt_calls")
    Ledger(made).close()
    with contextlib.closing(Ledger(made)) as ledger:
        assert ledger.studies() == []
