"""The file of a SQLite database: its URL, whether it is there, and whether it is still the one that was opened."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import sqlalchemy as sa

from metaopt.errors import InputError, StorageError, first_line, quoted
from metaopt.files import is_utf8
from metaopt.tuning.ledger.database_faults import FULL, cause, is_damage
from metaopt.tuning.ledger.storage_url import shown


class ChangedFileError(Exception):
    """The file of a database is not the one that was opened."""


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
        identity = _identity(self.path)
        if identity != self.identity:
            what = "deleted" if identity is None else "replaced by another one"
            raise ChangedFileError(
                f"its file was {what} while it was in use; put the old one back, or begin anew in another storage"
            )

    def account(self, error: BaseException) -> str:
        """Why the database failed, and what has become of what was stored in it."""
        try:
            self.check()
        except ChangedFileError as change:
            return first_line(change)
        reason = cause(error)
        if reason.startswith(FULL):
            return f"{reason}; what it held before is intact: make room and run the same command again"
        if is_damage(error):
            return f"{reason}; it was damaged from outside: restore a copy of it, or begin anew in another storage"
        return f"{reason}; what it held before is intact"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file, whatever characters its path has.

    Raises:
        InputError: it has half a character, which no URL can hold.
    """
    if not is_utf8(str(path)):
        raise InputError(f"{quoted(path)} has a name that is not UTF-8, which no URL can hold; rename it.")
    url = sa.URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)
    if sa.make_url(url).database == str(path):
        return url
    return f"sqlite:///file:{quote(str(path))}?uri=true"  # SQLAlchemy before 2.1 knows no other way to write `?`


def sqlite_file(url: sa.URL) -> Path | None:
    """The file behind a SQLite URL; None where there is none, or another kind of database."""
    database = url.database or ""
    if url.get_backend_name() != "sqlite" or database in ("", ":memory:"):
        return None
    if not database.startswith("file:"):
        return Path(database)
    name = unquote(database.removeprefix("file:").partition("?")[0])
    in_memory = name in ("", ":memory:") or url.query.get("mode") == "memory"
    return None if in_memory else Path(re.sub("^//[^/]*", "", name))


def check_exists(url: str) -> None:
    """Opening a SQLite file that is not there would make an empty one.

    Raises:
        StorageError: the URL names such a file.
    """
    try:
        file = sqlite_file(sa.make_url(url))
    except (sa.exc.ArgumentError, ValueError):
        return  # opening it will say what is wrong
    if file is not None and not file.is_file():
        raise StorageError(f"There is no study at {shown(url)}: the file {str(file)!r} does not exist.")
