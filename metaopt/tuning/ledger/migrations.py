"""Schemas of ledgers taken forward, where that loses nothing: each step only adds what the next schema has."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from metaopt.tuning.ledger.database import patiently


@dataclass(frozen=True)
class Step:
    """From one schema to the next.

    Attributes:
        before: the schema that it begins with.
        after: the schema that it makes.
        change: makes it, on the connection that it is given; it must neither commit nor take anything away.
    """

    before: str
    after: str
    change: Callable[[sa.Connection], None]


#: Every step that loses nothing, in order. Schema 3 has none before it: the fingerprints and keys of schema 2 mean
#: something else, so that `schema_two` reads it and nobody writes it.
STEPS: tuple[Step, ...] = ()


def migrated(engine: sa.Engine, info: sa.Table, key: str, schema: str, steps: Sequence[Step]) -> str:
    """Take a ledger forward as far as steps lead; returns its schema then.

    Each step is one transaction together with the row that says the schema, and whoever changes that row first makes
    the step: a process that is killed in the middle leaves the schema before, and others that begin at once wait.

    Args:
        engine: of the ledger's database.
        info: the table that says the schema.
        key: of the row in it.
        schema: what it says now.
        steps: that are known.
    """
    for step in steps:
        if step.before == schema:
            patiently(lambda step=step: _take(engine, info, key, step))  # type: ignore[misc]
            schema = step.after
    return schema


def _take(engine: sa.Engine, info: sa.Table, key: str, step: Step) -> None:
    claim = sa.update(info).where(info.c.key == key, info.c.value == step.before).values(value=step.after)
    with engine.begin() as connection:
        if connection.execute(claim).rowcount:  # first, since SQLite begins a transaction with it
            step.change(connection)
