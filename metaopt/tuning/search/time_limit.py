"""Whether a study may still train: until its time is up, or not at all where its ledger is only read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class TimeUpError(Exception):
    """The time is up; what is finished is in the ledger."""


class TimeLimit:
    """What an evaluator asks before each training.

    Args:
        deadline: in seconds of `time.monotonic()`, or None for no limit.
        train: whether anything may be trained at all.
    """

    def __init__(self, deadline: float | None, *, train: bool) -> None:
        self.deadline = deadline
        self.train = train
        self._enforced = False

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Inside, trainings end early when the time is up; outside, what was begun is finished."""
        self._enforced = True
        try:
            yield
        finally:
            self._enforced = False

    def check(self) -> None:
        """Raise TimeUpError where no training may begin."""
        if not self.train or (self._enforced and self.late):
            raise TimeUpError

    @property
    def late(self) -> bool:
        """Whether the time is up."""
        return self.deadline is not None and time.monotonic() > self.deadline

    @property
    def remaining(self) -> str:
        """The rest of the time as the end of a sentence; empty where there is no limit."""
        return "" if self.deadline is None else f", {max(self.deadline - time.monotonic(), 0):.0f} s left"
