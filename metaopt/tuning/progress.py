"""How far a run is, for whoever wants to show it, and where lines go that nobody asked for elsewhere."""

import sys
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

#: The predicted pace counts as much as a measured one over this many seconds.
_PRIOR = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is.

    Attributes:
        done: trainings finished, or found in the ledger.
        total: trainings of the whole run, at most.
        what: what is being trained, such as `"fold1of5: digits"`.
        best: best objective of the search that is under way, or None.
        seconds_left: predicted, or None where nothing is known.
    """

    done: int
    total: int
    what: str
    best: float | None
    seconds_left: float | None


@dataclass
class Tracker:
    """Counts trainings and tells a listener; within a phase each counts once, however often it is asked for.

    Attributes:
        tell: called with each change.
    """

    tell: Callable[[Progress], None] = lambda progress: None
    _total: int = 0
    _seconds: float = 0.0
    _done: int = 0
    _trained: set[Hashable] = field(default_factory=set)
    _paced: int = 0
    _training_since: float | None = None
    _training_seconds: float = 0.0
    _phase: str = ""
    _task: str = ""
    _best: float | None = None
    _seen: set[Hashable] = field(default_factory=set)

    def plan(self, total: int, seconds: float = 0.0) -> None:
        """Expect this many trainings at most, and this many seconds if none of them is in the ledger."""
        self._total, self._seconds = total, seconds

    def begin(self, phase: str) -> None:
        """What follows belongs to another phase."""
        self._phase, self._task, self._best = phase, "", None
        self._seen.clear()
        self._tell()

    def train(self, task: str) -> None:
        """A task is being trained."""
        self._task = task
        if self._training_since is None:
            self._training_since = time.monotonic()
        self._tell()

    def add(self, keys: Iterable[Hashable], *, trained: bool) -> None:
        """These trainings are there: trained just now, or found in the ledger."""
        fresh = set(keys) - self._seen
        self._seen |= fresh
        self._done += len(fresh)
        if trained:
            self._trained |= fresh
            now = time.monotonic()
            self._training_seconds += now - (now if self._training_since is None else self._training_since)
            self._training_since = None
        # What an earlier call trained says nothing about how fast this one is.
        self._paced += len(fresh & self._trained)
        if fresh:
            self._tell()

    def improve(self, best: float) -> None:
        """The best objective so far."""
        self._best = best
        self._tell()

    def _tell(self) -> None:
        what = ": ".join(part for part in (self._phase, self._task) if part)
        done = min(self._done, self._total)
        self.tell(Progress(done, self._total, what, self._best, self._seconds_left(self._total - done)))

    def _seconds_left(self, missing: int) -> float | None:
        """At the mean pace so far, which begins as predicted."""
        predicted = self._seconds / self._total if self._total else 0.0
        if predicted:
            return missing * (self._training_seconds + _PRIOR) / (self._paced + _PRIOR / predicted)
        return missing * self._training_seconds / self._paced if self._paced else None


def to_stderr(line: str) -> None:
    """Say a line where it does not mix with results."""
    print(line, file=sys.stderr)
