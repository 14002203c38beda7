"""A database behind an SQLAlchemy URL: every failure is one sentence, and one that passes is waited for."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from metaopt.errors import StorageError

#: How long a database that has answered before may be away, and how long to wait between attempts.
PATIENCE_SECONDS = 120.0
RETRY_SECONDS = 1.0

_Result = TypeVar("_Result")


class Database:
    """Reads and writes in transactions.

    Args:
        url: an SQLAlchemy URL, such as `sqlite:///study.db`.
        tables: created where they are missing.

    Raises:
        StorageError: the URL is malformed or cannot be reached.
    """

    def __init__(self, url: str, *tables: sa.MetaData) -> None:
        self.url = url
        self.shown = _shown(url)
        try:
            self._engine = sa.create_engine(url, pool_pre_ping=True)
            for one in tables:
                one.create_all(self._engine)
        except (SQLAlchemyError, ImportError, ValueError) as error:
            raise StorageError(
                f"The storage {self.shown} cannot be opened: {_cause(error)}; {_remedy(error)}."
            ) from error

    @property
    def in_memory(self) -> bool:
        """Whether it is gone when the process ends."""
        return self._engine.dialect.name == "sqlite" and self._engine.url.database in (None, "", ":memory:")

    def read(self, query: sa.Select[Any]) -> list[Any]:
        """All rows of a query."""

        def attempt() -> list[Any]:
            with self._engine.connect() as connection:
                return list(connection.execute(query).all())

        return self._patiently(attempt, "cannot be read: {cause}.")

    def write(self, statement: Any, rows: Sequence[Mapping[str, Any]] = ()) -> int:
        """Run a statement, once for each row, in one transaction; returns the number of rows that it touched."""

        def attempt() -> int:
            with self._engine.begin() as connection:
                result = connection.execute(statement, [dict(row) for row in rows] or None)
                return int(result.rowcount)

        return self._patiently(attempt, "cannot be written: {cause}; what it held before is intact.")

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _patiently(self, attempt: Callable[[], _Result], problem: str) -> _Result:
        begun = time.monotonic()
        while True:
            try:
                return attempt()
            except SQLAlchemyError as error:
                if not _may_pass(error) or time.monotonic() - begun > PATIENCE_SECONDS:
                    raise StorageError(f"The storage {self.shown} {problem.format(cause=_cause(error))}") from error
                time.sleep(RETRY_SECONDS)


def _may_pass(error: SQLAlchemyError) -> bool:
    """Whether waiting may help: a server that is away or restarting, a file that somebody else has locked."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    text = str(getattr(error, "orig", error)).lower()
    passing = ("locked", "connection", "server closed", "starting up", "shutting down", "timeout")
    return isinstance(error, OperationalError) and any(word in text for word in passing)


def _shown(url: str) -> str:
    """The URL without its password."""
    try:
        return repr(sa.make_url(url).render_as_string(hide_password=True))
    except (SQLAlchemyError, ValueError):
        return repr(url)


def _remedy(error: Exception) -> str:
    if isinstance(error, ImportError):
        return "install the driver, for PostgreSQL with pip install 'metaopt-torch[postgres]'"
    if isinstance(error, sa.exc.ArgumentError):
        return "write a URL such as 'sqlite:///study.db'"
    return "check that it is there and can be written"


def _cause(error: Exception) -> str:
    original = getattr(error, "orig", None) or error
    return str(original).strip().splitlines()[0].rstrip(".") or type(original).__name__
