"""Worker processes under one driver: they train, the driver alone writes."""

import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any

from loky import ProcessPoolExecutor
from loky.process_executor import BrokenProcessPool

from metaopt.errors import MetaOptError
from metaopt.tuning.running.carried_plugins import adopt_plugins, carried_plugins, plugin_files_by_value

#: How often a job is repeated whose worker died or hung, before its task is blamed.
REPEATS = 2
#: A job counts as hung when it takes so many times longer than predicted: machines get busy, predictions are short.
SLACK = 20.0
#: What a pool that has just begun may take in addition, for its imports.
START_SECONDS = 60.0


class WorkerError(MetaOptError):
    """A job took its worker down again and again."""


@dataclass(frozen=True)
class Job:
    """Something to run in a worker.

    Attributes:
        label: for messages.
        function: called there; sent by value, lambdas and notebook functions included.
        arguments: its arguments.
        seconds: how long it will take, as far as anybody knows; without that it is never taken to be hung.
    """

    label: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    seconds: float | None = None


@dataclass
class Workers:
    """A pool of processes that replaces those that die or hang.

    Attributes:
        count: how many work at once.
        least_seconds: a job never counts as hung before that; from then on after `SLACK` times its predicted time.
        announce: told when a worker is replaced.
    """

    count: int
    least_seconds: float = 60.0
    announce: Callable[[str], None] = lambda line: None
    _executor: ProcessPoolExecutor | None = field(default=None, init=False)

    def results(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Any]]:
        """Run all jobs; yields (position, result) as they finish.

        Raises:
            WorkerError: a job's worker died or hung more than `REPEATS` times.
        """
        waiting = dict(enumerate(jobs))
        failures = dict.fromkeys(waiting, 0)
        while waiting:
            # Jobs that were running when a worker went down run alone, so that the right one is blamed.
            suspects = [position for position in waiting if failures[position]]
            for position, result in self._round({p: waiting[p] for p in suspects[:1]} or waiting, failures):
                del waiting[position]
                yield position, result
            worst = max(waiting, key=lambda position: failures[position], default=None)
            if worst is not None and failures[worst] > REPEATS:
                limit = self._timeout(waiting[worst])
                hung = f", or more than {limit:.0f} s" if math.isfinite(limit) else ""
                raise WorkerError(
                    f"{waiting[worst].label} took its worker process down {failures[worst]} times "
                    f"(out of memory, a crash{hung}); run it alone to see why."
                )

    def close(self) -> None:
        """End the processes."""
        if self._executor is not None:
            self._executor.shutdown(kill_workers=True)
            self._executor = None

    def _round(self, jobs: dict[int, Job], failures: dict[int, int]) -> Iterator[tuple[int, Any]]:
        """Run jobs until all are done or a worker goes down; then those that are to blame count as failed."""
        queue = iter(list(jobs.items()))  # the caller takes them out as they finish
        running: dict[Future[Any], tuple[int, float]] = {}
        self._fill(running, queue)
        while running:
            soonest = min(deadline for _, deadline in running.values())
            patience = max(soonest - time.monotonic(), 0.0) if math.isfinite(soonest) else None
            done, _ = wait(running, timeout=patience, return_when=FIRST_COMPLETED)
            finished, failed, error = _collect(done, running)
            late = [position for position, deadline in running.values() if deadline <= time.monotonic()]
            if failed:
                # A worker that dies takes the pool along: any of the jobs that were running may have been the one.
                late = [*failed, *(position for position, _ in running.values())]
            for position in late:
                failures[position] += 1
            if late:
                self.announce("A worker process died or hung; it is replaced and its work is repeated.")
                self.close()
                yield from finished
                return
            if error is None:
                self._fill(running, queue)
            yield from finished
            if error is not None:
                raise error

    def _fill(self, running: "dict[Future[Any], tuple[int, float]]", queue: Iterator[tuple[int, Job]]) -> None:
        """No more jobs at once than there are workers, so that it is known when each of them began."""
        start = START_SECONDS if self._executor is None else 0.0
        for position, job in itertools.islice(queue, self.count - len(running)):
            try:
                future = self._submit(job)
            except BrokenProcessPool:  # a worker died since the pool was last looked at
                if running:
                    return  # those jobs tell of it, and this one is still waiting in the next round
                self.close()
                future = self._submit(job)
            running[future] = position, time.monotonic() + start + self._timeout(job)

    def _timeout(self, job: Job) -> float:
        return math.inf if job.seconds is None else max(self.least_seconds, SLACK * job.seconds)

    def _submit(self, job: Job) -> "Future[Any]":
        if self._executor is None:
            begun_with = os.getpid(), carried_plugins()
            self._executor = ProcessPoolExecutor(max_workers=self.count, initializer=_prepare, initargs=begun_with)
        plugin_files_by_value()
        future: Future[Any] = self._executor.submit(job.function, *job.arguments)
        return future


def _collect(
    done: "set[Future[Any]]", running: "dict[Future[Any], tuple[int, float]]"
) -> tuple[list[tuple[int, Any]], list[int], BaseException | None]:
    """Results of the jobs that are done, those whose worker went down, and what one of them raised."""
    finished, failed, error = [], [], None
    for future in done:
        position, _ = running.pop(future)
        raised = future.exception()
        if raised is None:
            finished.append((position, future.result()))
        elif isinstance(raised, BrokenProcessPool):
            failed.append(position)
        else:
            error = raised
    return finished, failed, error


def _prepare(driver: int, plugins: Sequence[bytes]) -> None:
    """One thread each, the driver's plugins, and no life after it: a killed driver must leave no workers running."""
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_follow, args=(driver,), daemon=True).start()
    adopt_plugins(plugins)


def _follow(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1.0)
    os._exit(1)
