"""What a ledger knows of a study: the identity that it was begun with, and the arguments of each call of it."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from metaopt.errors import StorageError
from metaopt.tuning.database import Database

TABLES = sa.MetaData()
_studies = sa.Table(
    "metaopt_studies",
    TABLES,
    sa.Column("name", sa.String(256), primary_key=True),
    sa.Column("identity", sa.Text, nullable=False),
)
_calls = sa.Table(
    "metaopt_calls",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study", sa.String(256), nullable=False, index=True),
    sa.Column("arguments", sa.Text, nullable=False),
)


def claim(database: Database, study: str, identity: Mapping[str, Any]) -> None:
    """Begin a study, or continue it if its identity is the same.

    Raises:
        StorageError: the stored study differs; the message says in what.
    """
    query = sa.select(_studies.c.identity).where(_studies.c.name == study)
    rows = database.read(query)
    if not rows:
        database.add(_studies, [{"name": study, "identity": json.dumps(identity, sort_keys=True)}])
        rows = database.read(query)  # somebody else's, if they were quicker
    changes = _differences(json.loads(rows[0].identity), json.loads(json.dumps(identity)))
    if changes:
        raise StorageError(
            f"The study {study!r} in {database.shown} was begun with other settings: {'; '.join(changes)}; "
            "use another --study-name, or the settings it was begun with."
        )


def remember(database: Database, study: str, arguments: Mapping[str, Any]) -> None:
    """Keep the arguments of a call, unless they are those of the call before it."""
    if arguments_of(database, study) != json.loads(json.dumps(arguments)):
        database.add(_calls, [{"study": study, "arguments": json.dumps(arguments, sort_keys=True)}])


def arguments_of(database: Database, study: str, *, first: bool = False) -> dict[str, Any] | None:
    """What `remember` kept last, or first, or None."""
    order = _calls.c.id if first else _calls.c.id.desc()
    query = sa.select(_calls.c.arguments).where(_calls.c.study == study).order_by(order).limit(1)
    rows = database.read(query)
    return dict(json.loads(rows[0].arguments)) if rows else None


def names(database: Database) -> list[str]:
    """Names of the studies whose arguments are kept."""
    return [row.study for row in database.read(sa.select(_calls.c.study).distinct().order_by(_calls.c.study))]


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """What changed between two nested mappings, a phrase each."""
    changes: list[str] = []
    for key in sorted({*old, *new}):
        label = f"{path}{key}"
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            changes += _differences(before, after, f"{label} → ")
        elif key not in new:
            changes.append(f"{label} is gone")
        elif key not in old:
            changes.append(f"{label} is new")
        elif before != after:
            changes.append(f"{label} was {before!r}, is {after!r}")
    return changes
