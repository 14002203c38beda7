"""SIGTERM, as schedulers and `kill` send it: a command ends in order, and says what Ctrl-C says."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from metaopt.errors import TerminatedError

#: What a shell shows of a process that SIGTERM ended.
TERMINATED = 128 + signal.SIGTERM


@contextmanager
def terminable() -> Iterator[None]:
    """Inside, SIGTERM raises `TerminatedError`; a second one ends the process at once.

    Nothing changes where somebody else handles it, where it is ignored, and outside of the main thread.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise TerminatedError
