"""A live line in a terminal."""

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from metaopt.cli.watching import details

if TYPE_CHECKING:
    from types import TracebackType

    from metaopt import tuning


class LiveWatch:
    """A bar with what runs, the best objective and the time left; lines that are said stay above it."""

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bar = Progress(
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        """Print it above the bar."""
        self._bar.console.print(line, soft_wrap=True)

    def show(self, progress: "tuning.Progress") -> None:
        """Move the bar."""
        described = " · ".join(part for part in (progress.what, *details(progress)) if part)
        self._bar.update(self._task, completed=progress.done, total=progress.total or None, description=described)
