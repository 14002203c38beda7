"""What a long run shows while it works, on stderr: a live line in a terminal, a line now and then elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from metaopt.cli.plain_watch import PlainWatch

if TYPE_CHECKING:
    from metaopt.tuning import Progress


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
