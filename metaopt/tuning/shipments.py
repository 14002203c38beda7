"""Which evaluations of a ledger came with a corpus instead of being trained: they cost whoever made them, not its user.

A table of its own beside the evaluations, so that a row once written there is never changed.
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from metaopt.tuning.database import Database

TABLES = sa.MetaData()
_shipments = sa.Table(
    "metaopt_shipments",
    TABLES,
    sa.Column("configuration_key", sa.String(16), primary_key=True),
    sa.Column("plugins", sa.String(256), primary_key=True),
    sa.Column("task_fingerprint", sa.String(16), primary_key=True, index=True),
    sa.Column("seed", sa.Integer, primary_key=True),
    sa.Column("corpus", sa.String(256), nullable=False),
)
#: What identifies an evaluation: configuration key, plugins, task fingerprint, seed.
_KEY = ("configuration_key", "plugins", "task_fingerprint", "seed")


def mark(database: Database, keys: Iterable[tuple[Any, ...]], corpus: str) -> None:
    """Write down that these evaluations came with a corpus; those that are known stay as they are."""
    wanted = set(keys)
    fresh = sorted(wanted - marked(database, {key[2] for key in wanted}))
    if fresh:
        rows = [{**dict(zip(_KEY, key, strict=True)), "corpus": corpus} for key in fresh]
        database.add(_shipments, rows)


def marked(database: Database, task_fingerprints: Iterable[str]) -> set[tuple[Any, ...]]:
    """Keys of the evaluations of these tasks that came with a corpus."""
    columns = [_shipments.c[name] for name in _KEY]
    query = sa.select(*columns).where(_shipments.c.task_fingerprint.in_(sorted(set(task_fingerprints))))
    return {tuple(row) for row in database.read(query)}
