"""A database behind an SQLAlchemy URL: every failure is one sentence, and one that passes is waited for."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from metaopt.errors import StorageError
from metaopt.tuning.ledger.database_faults import cause, is_damage
from metaopt.tuning.ledger.sqlite_file import ChangedFileError, DatabaseFile
from metaopt.tuning.ledger.storage_url import hide_secrets, shown

#: How long a database that has answered before may be away, and how long to wait between attempts.
PATIENCE_SECONDS = 120.0
RETRY_SECONDS = 1.0
#: Times that another process may be quicker to make a part of the tables: each of them is made once.
_AT_ONCE = 50

_Result = TypeVar("_Result")


class Database:
    """Reads and writes in transactions.

    Args:
        url: an SQLAlchemy URL, such as `sqlite:///study.db`; the driver of `postgresql://` is psycopg, which
            `metaopt-torch[postgres]` installs.
        prepare: called with the engine and the URL before anything else reads or writes.

    Raises:
        StorageError: the URL is malformed or cannot be reached, or whatever `prepare` refuses.
    """

    def __init__(self, url: str, prepare: Callable[[sa.Engine, str], None]) -> None:
        self._typed_url = url
        try:
            self.url = _with_driver(url)
            self._engine = sa.create_engine(self.url, pool_pre_ping=True)
            prepare(self._engine, url)
        except StorageError:
            self.close()
            raise
        except (SQLAlchemyError, ImportError, ValueError) as error:
            hide_secrets(error, url)
            raise StorageError(
                f"The storage {shown(url)} cannot be opened: {cause(error)}; {_remedy(error)}."
            ) from error
        self.file = DatabaseFile.of(self._engine.url)

    @cached_property
    def shown(self) -> str:
        """The URL as errors show it."""
        return shown(self._typed_url)

    @property
    def in_memory(self) -> bool:
        """Whether it is gone when the process ends."""
        return self._engine.dialect.name == "sqlite" and self.file.path is None

    @property
    def folder(self) -> Path | None:
        """A folder beside the database's file; None where it has none."""
        return None if self.file.path is None else Path(f"{self.file.path}.weights")

    def read(self, query: sa.Select[Any]) -> list[Any]:
        """All rows of a query."""

        def attempt() -> list[Any]:
            with self._engine.connect() as connection:
                return list(connection.execute(query).all())

        return self._patiently(attempt, "cannot be read")

    def add(self, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, all or none; those whose key is there already stay as they are.

        So it may be tried again when a connection was lost in the middle, and others may add the same rows.
        """
        self.write(insert_missing(self._engine.dialect.name, table), rows)

    def write(self, statement: Any, rows: Sequence[Mapping[str, Any]] = ()) -> int:
        """Run a statement, once for each row, in one transaction; returns the number of rows that it touched."""

        def attempt() -> int:
            with self._engine.begin() as connection:
                result = connection.execute(statement, [dict(row) for row in rows] or None)
                return int(result.rowcount)

        return self._patiently(attempt, "cannot be written")

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _patiently(self, attempt: Callable[[], _Result], problem: str) -> _Result:
        def checked() -> _Result:
            self.file.check()
            return attempt()

        try:
            return patiently(checked)
        except (SQLAlchemyError, ChangedFileError) as error:
            hide_secrets(error, self.url)
            raise StorageError(f"The storage {self.shown} {problem}: {self.file.account(error)}.") from error


def patiently(attempt: Callable[[], _Result]) -> _Result:
    """What `attempt` returns, tried again for `PATIENCE_SECONDS` while it fails for a reason that may pass."""
    begun = time.monotonic()
    while True:
        try:
            return attempt()
        except Exception as error:
            if not _may_pass(error) or time.monotonic() - begun > PATIENCE_SECONDS:
                raise
            time.sleep(RETRY_SECONDS)


def create_missing(engine: sa.Engine, tables: sa.MetaData) -> None:
    """Make the tables and the indexes that are not there.

    An index is made after its table, and on SQLite each by itself: a process killed between the two leaves a table
    that `create_all` takes for finished.
    """
    beside_others(lambda: tables.create_all(engine))
    for table in tables.sorted_tables:
        for index in table.indexes:
            beside_others(partial(index.create, engine, checkfirst=True))


def beside_others(create: Callable[[], _Result]) -> _Result:
    """What `create` returns, which makes what is missing: again where another process has just made the same.

    Looking for a table and making it are two steps. The process that comes second fails, and finds it the next time.
    """
    for _ in range(_AT_ONCE):
        try:
            return create()
        except Exception as error:  # Optuna's own errors come from SQLAlchemy's
            if not _is_there_already(error):
                raise
    return create()


def _may_pass(error: BaseException) -> bool:
    """Whether waiting may help: a server that is away or restarting, a file that another process has locked."""
    if not isinstance(error, SQLAlchemyError):
        return error.__cause__ is not None and _may_pass(error.__cause__)  # Optuna's own errors come from SQLAlchemy's
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    text = str(getattr(error, "orig", error)).lower()
    passing = ("locked", "connection", "server closed", "starting up", "shutting down", "timeout")
    return isinstance(error, OperationalError) and any(word in text for word in passing)


def _is_there_already(error: BaseException) -> bool:
    """Whether a table, an index, a type or a row exists that was not there a moment ago."""
    if not isinstance(error, SQLAlchemyError):
        return error.__cause__ is not None and _is_there_already(error.__cause__)
    text = str(getattr(error, "orig", error)).lower()
    return any(words in text for words in ("already exists", "duplicate key", "unique constraint failed"))


def insert_missing(dialect: str, table: sa.Table) -> sa.Insert:
    """INSERT … ON CONFLICT DO NOTHING where the database knows it."""
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sa.insert(table)


def _with_driver(url: str) -> str:
    """The URL, naming psycopg where it names PostgreSQL and no driver."""
    parsed = sa.make_url(url)
    if parsed.drivername not in ("postgres", "postgresql"):
        return url
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def _remedy(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "install the driver, for PostgreSQL with pip install 'metaopt-torch[postgres]'"
    if is_damage(error):
        return "it was damaged from outside: restore a copy of it, or begin anew in another storage"
    if isinstance(error, sa.exc.ArgumentError):
        return "write a URL such as 'sqlite:///study.db'"
    return "check that it is there and can be written"
