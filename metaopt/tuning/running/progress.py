"""How far a study is, how long it may still train, and where its lines go unless the caller says otherwise."""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
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


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a run, as predicted.

    Attributes:
        runs: trainings, at most.
        seconds: they take if none of them is in the ledger; 0 where nothing is known.
    """

    runs: int
    seconds: float = 0.0


@dataclass
class Tracker:
    """Counts trainings and tells a listener; within a phase each counts once, however often it is asked for.

    Attributes:
        tell: called with each change.
    """

    tell: Callable[[Progress], None] = lambda progress: None
    _ahead: dict[str, Phase] = field(default_factory=dict)
    _total: int = 0
    _behind: int = 0
    _now: Phase = field(default_factory=lambda: Phase(0))
    _seen: set[Hashable] = field(default_factory=set)
    _trained: set[Hashable] = field(default_factory=set)
    _trained_runs: int = 0
    _trained_prediction: float = 0.0
    _training_since: float | None = None
    _training_seconds: float = 0.0
    _name: str = ""
    _task: str = ""
    _best: float | None = None

    def plan(self, phases: Mapping[str, Phase]) -> None:
        """Expect these phases."""
        self._ahead = dict(phases)
        self._total = sum(phase.runs for phase in phases.values())

    def begin(self, name: str) -> None:
        """What follows belongs to another phase; what the last one did not need after all counts as done."""
        self._behind += self._now.runs
        self._now = self._ahead.pop(name, Phase(0))
        self._name, self._task, self._best = name, "", None
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
        if trained:
            self._trained |= fresh
            moment = time.monotonic()
            self._training_seconds += moment - (moment if self._training_since is None else self._training_since)
            self._training_since = None
        # What an earlier call trained says nothing about how fast this one is.
        paced = len(fresh & self._trained)
        self._trained_runs += paced
        if self._now.runs:
            self._trained_prediction += self._now.seconds * paced / self._now.runs
        if fresh:
            self._tell()

    def improve(self, best: float) -> None:
        """The best objective so far."""
        self._best = best
        self._tell()

    def _tell(self) -> None:
        what = ": ".join(part for part in (self._name, self._task) if part)
        done = min(self._behind + min(len(self._seen), self._now.runs), self._total)
        self.tell(Progress(done, self._total, what, self._best, self._seconds_left(self._total - done)))

    def _seconds_left(self, missing: int) -> float | None:
        """What was predicted of the rest, at the pace so far, which begins as predicted."""
        left = sum(phase.seconds for phase in self._ahead.values())
        if self._now.runs:
            left += self._now.seconds * max(1 - len(self._seen) / self._now.runs, 0.0)
        if left:
            return left * (self._training_seconds + _PRIOR) / (self._trained_prediction + _PRIOR)
        return missing * self._training_seconds / self._trained_runs if self._trained_runs else None


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


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
