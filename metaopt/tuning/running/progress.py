"""How far a study is, how long it may still train, and where its lines go unless the caller says otherwise."""

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

#: The predicted pace counts as much as a measured one over this many predicted seconds.
_PRIOR = 1.0
#: Of a block that is under way beside another that has just finished, so much is done on average.
_HALF = 0.5


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
        announce: told in one line, once, how long the rest will take at the pace of the first task.
    """

    tell: Callable[[Progress], None] = lambda progress: None
    announce: Callable[[str], None] = lambda line: None
    _ahead: dict[str, Phase] = field(default_factory=dict)
    _workers: int = 1
    _speedup: float = 1.0
    _total: int = 0
    _behind: int = 0
    _now: Phase = field(default_factory=lambda: Phase(0))
    _seen: set[Hashable] = field(default_factory=set)
    _trained: set[Hashable] = field(default_factory=set)
    _trained_runs: int = 0
    _trained_parts: int = 0
    _trained_prediction: float = 0.0
    _phase_prediction: float = 0.0
    _began: float | None = None
    _first: str | None = None
    _is_corrected: bool = False
    _name: str = ""
    _task: str = ""
    _best: float | None = None

    def plan(self, phases: Mapping[str, Phase], *, workers: int = 1, speedup: float = 1.0) -> None:
        """Expect these phases.

        Args:
            phases: by name, each as long as one process would take.
            workers: processes that train.
            speedup: how many times as fast as one of them they are together.
        """
        self._ahead = dict(phases)
        self._workers, self._speedup = workers, speedup
        self._total = sum(phase.runs for phase in phases.values())

    def begin(self, name: str) -> None:
        """What follows belongs to another phase; what the last one did not need after all counts as done."""
        self._behind += self._now.runs
        self._now = self._ahead.pop(name, Phase(0))
        self._name, self._task, self._best = name, "", None
        self._phase_prediction = 0.0
        self._seen.clear()
        self._correct()
        self._tell()

    def train(self, task: str) -> None:
        """A task is being trained."""
        self._task = task
        if self._began is None:
            self._began, self._first = time.monotonic(), task
        elif task != self._first:
            self._correct()
        self._tell()

    def add(self, keys: Iterable[Hashable], *, trained: bool, predicted: float = 0.0) -> None:
        """These trainings are there: trained just now, or found in the ledger.

        Args:
            keys: of the trainings.
            trained: whether they were trained just now.
            predicted: seconds that one process would take for them; 0 for their share of the phase.
        """
        fresh = set(keys) - self._seen
        self._seen |= fresh
        if trained:
            self._trained |= fresh
            self._trained_parts += 1
        # What an earlier call trained says nothing about how fast this one is.
        paced = len(fresh & self._trained)
        self._trained_runs += paced
        share = self._now.seconds / self._now.runs if self._now.runs else 0.0
        prediction = predicted or share * paced
        self._trained_prediction += prediction if trained else share * paced
        self._phase_prediction += prediction if trained else share * len(fresh)
        if self._workers > 1 and self._trained_parts >= self._workers:
            self._correct()
        if fresh:
            self._tell()

    def improve(self, best: float) -> None:
        """The best objective so far."""
        self._best = best
        self._tell()

    def _correct(self) -> None:
        """Say once how long it will take, as soon as something was trained."""
        left = self._seconds_left()
        if self._is_corrected or not self._trained_runs or left is None:
            return
        self._is_corrected = True
        self.announce(f"At the pace of the first task, about {duration(left)} are left.")

    def _tell(self) -> None:
        what = ": ".join(part for part in (self._name, self._task) if part)
        self.tell(Progress(self._done, self._total, what, self._best, self._seconds_left()))

    @property
    def _done(self) -> int:
        return min(self._behind + min(len(self._seen), self._now.runs), self._total)

    def _seconds_left(self) -> float | None:
        """What was predicted of the rest, at the pace so far, which begins as predicted.

        The pace is that of the clock since the first training, so what lies between trainings counts, and so do
        workers and others' load.
        """
        elapsed = 0.0 if self._began is None else time.monotonic() - self._began
        left = sum(phase.seconds for phase in self._ahead.values())
        left += max(self._now.seconds - self._phase_prediction, 0.0) if self._now.runs > len(self._seen) else 0.0
        under_way = 0.0 if self._trained_parts == 0 else _HALF * (self._workers - 1) / self._trained_parts
        if left:
            done = self._trained_prediction * (1 + under_way)
            return left * (elapsed + _PRIOR / self._speedup) / (done + _PRIOR)
        missing = self._total - self._done
        return missing * elapsed / (self._trained_runs * (1 + under_way)) if self._trained_runs else None


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
