"""What a long run shows while it works, on stderr: a live line in a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from metaopt.tuning import Progress


#: A line is printed at each of so many parts of the run, and after so many seconds.
PARTS = 10
SECONDS = 30.0


class Watch(Protocol):
    """Where a run says something and shows how far it is."""

    def say(self, line: str) -> None:
        """One line that stays."""
        ...

    def show(self, progress: "Progress") -> None:
        """How far the run is."""
        ...


@contextmanager
def watching() -> Iterator[Watch]:
    """A watch for as long as the run lasts."""
    if not sys.stderr.isatty():
        yield PlainWatch()
        return
    from metaopt.cli.live_watch import LiveWatch

    with LiveWatch() as watch:
        yield watch


class PlainWatch:
    """Prints a line now and then, where there is no terminal."""

    def __init__(self) -> None:
        self._part = 0
        self._said_at = time.monotonic()

    def say(self, line: str) -> None:
        """Print it."""
        print(line, file=sys.stderr, flush=True)

    def show(self, progress: "Progress") -> None:
        """Print how far the run is, now and then."""
        if not progress.total:
            return
        part = PARTS * progress.done // progress.total
        if part == self._part and time.monotonic() < self._said_at + SECONDS:
            return
        self._part, self._said_at = part, time.monotonic()
        parts = [progress.what, *details(progress)]
        self.say(f"{progress.done / progress.total:4.0%}  {', '.join(part for part in parts if part)}")


def details(progress: "Progress") -> list[str]:
    """The best objective and the time left, as far as they are known."""
    from metaopt.tuning import duration  # loads Optuna, which a run with progress has loaded

    parts = [] if progress.best is None else [f"best objective {progress.best:.3f}"]
    return parts if progress.seconds_left is None else [*parts, f"about {duration(progress.seconds_left)} left"]
