"""What a ledger knows of a study: the identity that it was begun with, and the arguments of each call of it."""

import json
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from metaopt.errors import InputError, StorageError, quoted
from metaopt.files import is_utf8
from metaopt.tuning.ledger.database import Database
from metaopt.tuning.ledger.rows import json_object, missing, read_sealed, sealed
from metaopt.tuning.ledger.tables import calls, proposals, studies

#: Characters of a study's name; its folds' names, which its own begins, must fit into their column.
_LONGEST = 200


def check_name(study: object) -> None:
    """Refuse what cannot be a study's name, of which a folder is made where its rules are learned.

    Raises:
        InputError: it is empty, too long, no text, not UTF-8, or leads out of the folder.
    """
    if not isinstance(study, str) or not study.strip() or len(study) > _LONGEST or not is_utf8(study) or "\0" in study:
        raise InputError(f"--study-name must be a text of 1 to {_LONGEST} characters, got {quoted(study)}.")
    path = PurePath(study)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(f"--study-name must not begin with / nor hold .., got {quoted(study)}.")


def claim(database: Database, study: str, identity: Mapping[str, Any], *, unless: Collection[str] = ()) -> None:
    """Begin a study, or continue it if its identity is the same.

    Args:
        database: of the ledger.
        study: its name.
        identity: whatever decides what it proposes and how it judges.
        unless: parts of the identity that may differ.

    Raises:
        StorageError: the stored study differs, and the message says in what; or its row was deleted or damaged.
    """
    query = sa.select(studies).where(studies.c.name == study)
    rows = read_sealed(database, studies, query, _identity)
    if not rows:
        _check_fresh(database, study)
        database.add(studies, [sealed(studies, {"name": study, "identity": json.dumps(identity, sort_keys=True)})])
        rows = read_sealed(database, studies, query, _identity)  # another process's, if that was quicker
    stored, current = (
        {key: part for key, part in parts.items() if key not in unless} for parts in (rows[0], _plain(identity))
    )
    changes = _differences(stored, current)
    if changes:
        raise StorageError(
            f"The study {study!r} in {database.shown} was begun with other settings: {'; '.join(changes)}; "
            f"use another --study-name, or the settings it was begun with{_installed(stored, current)}."
        )


def begun_with(database: Database, study: str) -> dict[str, Any] | None:
    """The identity that a study was begun with, or None."""
    rows = read_sealed(database, studies, sa.select(studies).where(studies.c.name == study), _identity)
    return rows[0] if rows else None


def remember(database: Database, study: str, arguments: Mapping[str, Any]) -> None:
    """Keep the arguments of a call, unless they are those of the call before it."""
    if arguments_of(database, study) != _plain(arguments):
        text = json.dumps(arguments, sort_keys=True)
        database.add(calls, [sealed(calls, {"study": study, "arguments": text})])


def arguments_of(database: Database, study: str, *, first: bool = False) -> dict[str, Any] | None:
    """What `remember` kept last, or first, or None."""
    order = calls.c.id if first else calls.c.id.desc()
    query = sa.select(calls).where(calls.c.study == study).order_by(order).limit(1)
    rows = read_sealed(database, calls, query, lambda row: json_object(row.arguments))
    return rows[0] if rows else None


def names(database: Database) -> list[str]:
    """Names of the studies whose arguments are kept."""
    query = sa.select(calls).order_by(calls.c.study)
    return sorted(set(read_sealed(database, calls, query, lambda row: str(row.study))))


def _identity(row: Any) -> dict[str, Any]:
    return json_object(row.identity)


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back from JSON."""
    return dict(json.loads(json.dumps(document)))


def _check_fresh(database: Database, study: str) -> None:
    """Refuse to begin a study anew that has candidates: the row that says what they were made for is gone.

    Raises:
        StorageError: it has some.
    """
    query = sa.select(proposals.c.number).where(proposals.c.study == study).limit(1)
    if database.read(query):
        raise missing(database, studies, f"name={study!r}")


def _installed(stored: Mapping[str, Any], current: Mapping[str, Any]) -> str:
    """How to have the version of Optuna back that a study was begun with; its samplers differ from another's."""
    before = stored.get("optuna")
    return "" if before is None or before == current.get("optuna") else f" (pip install optuna=={before})"


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
