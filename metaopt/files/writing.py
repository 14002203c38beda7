"""Files replaced whole: written beside under a name that nobody can guess, flushed, and moved into place by one rename.

A process that is killed at any moment leaves the old file or the new one. Writers of one folder take turns, so what
lies there under a temporary name while a writer has its turn was left by one that was killed, and is removed.
"""

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: writers do not take turns
    fcntl = None  # type: ignore[assignment]

#: How long a writer waits for its turn.
PATIENCE_SECONDS = 60.0

#: Nobody's file may lie there already, and no link is followed.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

_TEMPORARY = re.compile(r"\.metaopt-[0-9a-f]{16}\.tmp")


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file, or make it where it is missing; a link of that name is replaced, not followed.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    with turn_in(path.parent):
        write_in_turn(path, content)


def write_in_turn(path: Path, content: bytes) -> None:
    """As `replace_file`, inside `turn_in`."""
    temporary = path.with_name(f".metaopt-{secrets.token_hex(8)}.tmp")
    handle = os.open(temporary, _NEW, 0o666)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def turn_in(folder: Path) -> Iterator[None]:
    """While this lasts, no other process writes in the folder through this module; names last through a power cut."""
    handle = _open(folder)
    try:
        if _lock(handle):
            _remove_leftovers(folder)
        yield
    finally:
        if handle is not None:
            with contextlib.suppress(OSError):
                os.fsync(handle)
            os.close(handle)


def _open(folder: Path) -> int | None:
    try:
        return os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders; a folder may be writable and not readable
        return None


def _lock(handle: int | None) -> bool:
    """Lock the folder itself, which leaves no file behind; False where it cannot be locked and nobody takes turns."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while handle is not None and fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has been writing there for {PATIENCE_SECONDS:.0f} s") from None
            time.sleep(0.01)
        except OSError:  # a file system without locks
            return False
        else:
            return True
    return False


def _remove_leftovers(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if _TEMPORARY.fullmatch(entry.name) and not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
