"""Which evaluations of a ledger came with a corpus instead of being trained: they cost whoever made them, not its user.

A table of its own beside the evaluations, so that a row once written there is never changed.
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from metaopt.tuning.ledger.database import Database
from metaopt.tuning.ledger.rows import read_sealed, sealed
from metaopt.tuning.ledger.tables import shipments

#: What identifies an evaluation: configuration key, plugins, task fingerprint, seed.
_KEY = ("configuration_key", "plugins", "task_fingerprint", "seed")


def mark(database: Database, keys: Iterable[tuple[Any, ...]], corpus: str) -> None:
    """Write down that these evaluations came with a corpus; those that are known stay as they are."""
    wanted = set(keys)
    fresh = sorted(wanted - marked(database, {key[2] for key in wanted}))
    rows: list[dict[str, Any]] = [{**dict(zip(_KEY, key, strict=True)), "corpus": corpus} for key in fresh]
    if rows:
        database.add(shipments, [sealed(shipments, row) for row in rows])


def marked(database: Database, task_fingerprints: Iterable[str]) -> set[tuple[Any, ...]]:
    """Keys of the evaluations of these tasks that came with a corpus."""
    query = sa.select(shipments).where(shipments.c.task_fingerprint.in_(sorted(set(task_fingerprints))))
    return set(read_sealed(database, shipments, query, lambda row: tuple(getattr(row, name) for name in _KEY)))
