"""The schema of a ledger: its tables are made once, and neither another schema nor a dropped table is written to."""

import sqlalchemy as sa

from metaopt.errors import StorageError
from metaopt.tuning.ledger import tables as ledger_tables
from metaopt.tuning.ledger.database import create_missing, insert_missing, patiently
from metaopt.tuning.ledger.migrations import STEPS, migrated
from metaopt.tuning.ledger.storage_url import shown

#: Of this metaopt's ledgers: a fingerprint sees code, equal configurations have one key, rows carry checksums.
SCHEMA = 3
#: Before: readable, never written.
OLD_SCHEMA = 2

_KEY = "schema"


class OldSchemaError(StorageError):
    """The ledger has a schema that can be read, but not written any more."""


def prepare(engine: sa.Engine, url: str) -> None:
    """Make the tables of a new ledger; check those of another one, taken forward first where that loses nothing.

    The row that says the schema is written last, so that a ledger that has it once had every table.

    Raises:
        OldSchemaError: it has schema 2; see `metaopt.tuning.ledger.schema_two.reading`.
        StorageError: it has another schema, a table was dropped, or the row that says the schema is gone.
    """
    wanted = ledger_tables.TABLES.tables
    schema = _schema(engine)
    if schema is None:
        _check_nothing_was_lost(engine, url)
        create_missing(engine, ledger_tables.TABLES)
        _write(engine)
        return
    if schema == str(OLD_SCHEMA):
        raise OldSchemaError(
            f"The ledger in {shown(url)} has schema {schema}, in which fingerprints and keys mean something else: "
            "metaopt report and metaopt replay read it, but nothing is added to it; use another storage, or the "
            "metaopt that made it."
        )
    schema = migrated(engine, ledger_tables.info, _KEY, schema, STEPS)
    if schema != str(SCHEMA):
        raise StorageError(
            f"The ledger in {shown(url)} has schema {schema:.80}, this metaopt writes schema {SCHEMA}; use the metaopt "
            "that made it, or another storage; if none did, restore the row key='schema' of its table metaopt_info."
        )
    dropped = sorted(set(wanted) - set(sa.inspect(engine).get_table_names()))
    if dropped:
        raise StorageError(
            f"The ledger in {shown(url)} lacks its table {', '.join(dropped)}, which somebody dropped; restore a copy "
            "of the database, or use another storage."
        )


def _schema(engine: sa.Engine) -> str | None:
    """What the ledger says; None where there is none, or one that was not finished."""
    if not sa.inspect(engine).has_table(ledger_tables.info.name):
        return None

    def attempt() -> list[str]:
        with engine.connect() as connection:
            query = sa.select(ledger_tables.info.c.value).where(ledger_tables.info.c.key == _KEY)
            return [str(row.value) for row in connection.execute(query).all()]

    return next(iter(patiently(attempt)), None)


def _check_nothing_was_lost(engine: sa.Engine, url: str) -> None:
    """Refuse a ledger whose rows are there and whose schema is not.

    Raises:
        StorageError: the row or the table that says it was deleted.
    """
    there = set(sa.inspect(engine).get_table_names())
    for name, table in ledger_tables.TABLES.tables.items():
        if name == ledger_tables.info.name or name not in there:
            continue
        with engine.connect() as connection:
            is_filled = connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None
        if is_filled and _schema(engine) is None:  # else another process was quicker to begin it
            raise StorageError(
                f"The ledger in {shown(url)} lacks the row key='schema' of its table metaopt_info, which somebody "
                "deleted; restore a copy of the database, or use another storage."
            )


def _write(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        statement = insert_missing(engine.dialect.name, ledger_tables.info)
        connection.execute(statement, [{"key": _KEY, "value": str(SCHEMA)}])
