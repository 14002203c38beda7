"""What happened to a database that fails: a full disk, a file that was deleted, replaced or damaged."""

import os
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from metaopt.errors import first_line
from metaopt.tuning.ledger.storage_url import sqlite_file

FULL = "the disk is full"
#: What SQLite and PostgreSQL say on a full disk.
_FULL = ("disk is full", "no space left", "disk full", "quota exceeded", "could not extend file")
#: What SQLite says of a file that is no longer what it was.
_DAMAGED = ("no such table", "no such column", "malformed", "not a database", "short read")


class ChangedFileError(Exception):
    """The file of a database is not the one that was opened."""


def cause(error: BaseException) -> str:
    """Why a database failed, in its driver's words, or that the disk is full; one line.

    Optuna calls whatever happens in a commit an invalid value; what it comes from is the database's own error.
    """
    said = first_line(_original(error))
    if any(words in said.lower() for words in _FULL):
        return FULL
    # SQLite's words for a quota, and for a limit on the size of files, are those for a disk that fails.
    return f"{FULL}, over a quota, or fails ({said})" if "i/o error" in said.lower() else said


def is_damage(error: BaseException) -> bool:
    """Whether a database says that its file is no longer what it wrote."""
    return any(words in cause(error).lower() for words in _DAMAGED)


def _original(error: BaseException) -> BaseException:
    if not isinstance(error, SQLAlchemyError) and isinstance(error.__cause__, SQLAlchemyError):
        return _original(error.__cause__)
    original = getattr(error, "orig", None)
    return original if isinstance(original, BaseException) else error


@dataclass(frozen=True)
class DatabaseFile:
    """The file of a SQLite database, as it was when it was opened.

    Attributes:
        path: None where there is no file.
        identity: its device and number.
    """

    path: Path | None
    identity: tuple[int, int] | None

    @classmethod
    def of(cls, url: sa.URL) -> "DatabaseFile":
        """The file behind a URL, as it is now."""
        path = sqlite_file(url)
        if path is None:
            return cls(None, None)
        return cls(path.absolute(), _identity(path))

    def check(self) -> None:
        """Refuse a file that was deleted or replaced: a new connection would begin an empty one in its place.

        Raises:
            ChangedFileError: it was.
        """
        if self.path is None or self.identity is None:
            return
        now = _identity(self.path)
        if now != self.identity:
            what = "deleted" if now is None else "replaced by another one"
            raise ChangedFileError(
                f"its file was {what} while it was in use; put the old one back, or begin anew in another storage"
            )

    def account(self, error: BaseException) -> str:
        """Why the database failed, and what has become of what was stored in it."""
        try:
            self.check()
        except ChangedFileError as change:
            return first_line(change)
        said = cause(error)
        if said.startswith(FULL):
            return f"{said}; what it held before is intact: make room and run the same command again"
        if is_damage(error):
            return f"{said}; it was damaged from outside: restore a copy of it, or begin anew in another storage"
        return f"{said}; what it held before is intact"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
