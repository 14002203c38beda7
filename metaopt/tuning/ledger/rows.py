"""Rows that know whether they are what was written: each carries a checksum, and a damaged one is named."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa

from metaopt.errors import MetaOptError, StorageError
from metaopt.tuning.ledger.database import Database

_Made = TypeVar("_Made")

_CHECKSUM = "checksum"

#: What to do about a damaged row, beside restoring a copy of the database.
_REMEDIES = {
    "metaopt_evaluations": ", or delete that row: it is trained again",
    "metaopt_outcomes": ", or delete that row: the candidate is judged again",
    "metaopt_shipments": ", or delete that row: it then counts as trained here",
    "metaopt_calls": ", or delete that row and run the study's tune command again",
    "metaopt_drivers": ", or delete that row once nobody drives the study",
}


def checksum_column() -> sa.Column[str]:
    """The column of a table whose rows are sealed."""
    return sa.Column(_CHECKSUM, sa.String(16), nullable=False)


def sealed(table: sa.Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its checksum."""
    # As the database gives them back; what it cannot store is left for it to refuse.
    plain = {name: None if row[name] is None else kind(row[name]) for name, kind in _kinds(table).items()}
    return {**row, _CHECKSUM: _checksum(table, plain)}


def read_sealed(
    database: Database, table: sa.Table, query: sa.Select[Any], make: Callable[[Any], _Made]
) -> list[_Made]:
    """What `make` makes of the rows of a query, each checked first.

    Args:
        database: where they are.
        table: whose they are.
        query: selects all columns of the table.
        make: of a row; whatever it raises means that the row is damaged.

    Raises:
        StorageError: a row is not what was written; the message names table and row.
    """
    kinds = _kinds(table)
    found = []
    for row in read_rows(database, table, query):
        plain = row._asdict()
        if any(type(plain.get(name)) is not kind for name, kind in kinds.items()):
            raise damaged(database, table, row)
        if row.checksum != _checksum(table, {name: plain[name] for name in kinds}):
            raise damaged(database, table, row)
        found.append(made(database, table, row, make))
    return found


def read_rows(database: Database, table: sa.Table, query: sa.Select[Any]) -> list[Any]:
    """The rows of a query, unchecked; one whose text cannot be read at all is named."""
    try:
        return database.read(query)
    except StorageError as error:
        if "decode" not in str(error):
            raise
    keys = database.read(sa.select(*table.primary_key.columns))
    for key in keys:
        place = [column == value for column, value in zip(table.primary_key.columns, key, strict=True)]
        try:
            database.read(sa.select(*query.selected_columns).where(*place))
        except StorageError as error:
            raise damaged(database, table, key) from error
    raise damaged(database, table, None)


def json_object(text: str) -> dict[str, Any]:
    """The JSON object in a cell.

    Raises:
        ValueError: it is none.
    """
    parsed = json.loads(text)
    if not isinstance(parsed, dict):
        raise ValueError(f"not an object but a {type(parsed).__name__}")
    return parsed


def damaged(database: Database, table: sa.Table, row: Any) -> StorageError:
    """The error that names a table, a row of it, and what to do."""
    names = [column.name for column in table.primary_key.columns]
    place = "A row" if row is None else "Row " + ", ".join(f"{name}={getattr(row, name)!r:.80}" for name in names)
    return StorageError(
        f"{place} of table {table.name} in {database.shown} is damaged: it is not what was written; restore a "
        f"copy of the database{_REMEDIES.get(table.name, '')}."
    )


def missing(database: Database, table: sa.Table, place: str) -> StorageError:
    """The error that names a table and a row that it lacks."""
    return StorageError(
        f"Table {table.name} in {database.shown} lacks the row {place}, which others refer to; restore a copy of the "
        "database, or use another --study-name."
    )


def made(database: Database, table: sa.Table, row: Any, make: Callable[[Any], _Made]) -> _Made:
    """What `make` makes of a row that was read, at once or later.

    Raises:
        StorageError: it raised, so the row is not what was written.
    """
    try:
        return make(row)
    except (MetaOptError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise damaged(database, table, row) from error


@cache
def _kinds(table: sa.Table) -> dict[str, type]:
    """Columns that a checksum covers, and their types: all but itself, and numbers that the database gives."""
    automatic = table.autoincrement_column
    covered = [column for column in table.columns if column is not automatic and column.name != _CHECKSUM]
    return {column.name: _kind(column) for column in covered}


def _kind(column: sa.Column[Any]) -> type:
    return int if isinstance(column.type, sa.Integer) else float if isinstance(column.type, sa.Float) else str


def _checksum(table: sa.Table, plain: Mapping[str, Any]) -> str:
    text = json.dumps([table.name, plain], sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
