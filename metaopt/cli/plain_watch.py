"""Lines now and then, where there is no terminal."""

import sys
import time
from typing import TYPE_CHECKING

from metaopt.cli.described import details

if TYPE_CHECKING:
    from metaopt.tuning import Progress

#: A line is printed at each of so many parts of the run, and after so many seconds.
PARTS = 10
SECONDS = 30.0


class PlainWatch:
    """Prints lines."""

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
