"""Why a database failed, in its driver's words: a full disk, a damaged file, or something else."""

from sqlalchemy.exc import SQLAlchemyError

from metaopt.errors import first_line

FULL = "the disk is full"
#: What SQLite and PostgreSQL say on a full disk.
_FULL = ("disk is full", "no space left", "disk full", "quota exceeded", "could not extend file")
#: What SQLite says of a file that is no longer what it was.
_DAMAGED = ("no such table", "no such column", "malformed", "not a database", "short read")


def cause(error: BaseException) -> str:
    """Why a database failed, in its driver's words, or that the disk is full; one line.

    Optuna calls whatever happens in a commit an invalid value; what it comes from is the database's own error.
    """
    message = first_line(_original(error))
    if any(words in message.lower() for words in _FULL):
        return FULL
    # SQLite's words for a quota, and for a limit on the size of files, are those for a disk that fails.
    return f"{FULL}, over a quota, or fails ({message})" if "i/o error" in message.lower() else message


def is_damage(error: BaseException) -> bool:
    """Whether a database says that its file is no longer what it wrote."""
    return any(words in cause(error).lower() for words in _DAMAGED)


def _original(error: BaseException) -> BaseException:
    if not isinstance(error, SQLAlchemyError) and isinstance(error.__cause__, SQLAlchemyError):
        return _original(error.__cause__)
    original = getattr(error, "orig", None)
    return original if isinstance(original, BaseException) else error
