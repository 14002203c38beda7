"""Worker processes under one driver: they train, the driver alone writes."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any

import cloudpickle
from loky import ProcessPoolExecutor
from loky.process_executor import BrokenProcessPool

from metaopt.errors import MetaOptError

#: How often a job is repeated whose worker died or hung, before its task is blamed.
REPEATS = 2


class WorkerError(MetaOptError):
    """A job took its worker down again and again."""


@dataclass(frozen=True)
class Job:
    """Something to run in a worker.

    Attributes:
        label: for messages.
        function: called there; sent by value, lambdas and notebook functions included.
        arguments: its arguments.
    """

    label: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass
class Workers:
    """A pool of processes that replaces those that die or hang.

    Attributes:
        count: how many work at once.
        timeout_seconds: a job that takes longer counts as hung.
        announce: told when a worker is replaced.
    """

    count: int
    timeout_seconds: float = 3600.0
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
                raise WorkerError(
                    f"{waiting[worst].label} took its worker process down {failures[worst]} times "
                    f"(out of memory, a crash, or more than {self.timeout_seconds:g} s); run it alone to see why."
                )

    def close(self) -> None:
        """End the processes."""
        if self._executor is not None:
            self._executor.shutdown(kill_workers=True)
            self._executor = None

    def _round(self, jobs: dict[int, Job], failures: dict[int, int]) -> Iterator[tuple[int, Any]]:
        """Run jobs until all are done or a worker goes down; then those that did not finish count as failed."""
        futures = {self._submit(job): position for position, job in jobs.items()}
        while futures:
            done, _ = wait(futures, timeout=self.timeout_seconds, return_when=FIRST_COMPLETED)
            broken = not done
            for future in done:
                position = futures.pop(future)
                try:
                    yield position, future.result()
                except BrokenProcessPool:
                    broken = True
                    failures[position] += 1
            if broken:
                for position in futures.values():
                    failures[position] += 1
                self.announce("A worker process died or hung; it is replaced and its work is repeated.")
                self.close()
                return

    def _submit(self, job: Job) -> "Future[Any]":
        if self._executor is None:
            self._executor = ProcessPoolExecutor(max_workers=self.count, initializer=_prepare, initargs=(os.getpid(),))
        for name, module in list(sys.modules.items()):
            if name.startswith("metaopt_plugin_"):  # a plugin file: workers cannot import it by name
                cloudpickle.register_pickle_by_value(module)
        future: Future[Any] = self._executor.submit(job.function, *job.arguments)
        return future


def _prepare(driver: int) -> None:
    """One thread each, and no life after the driver's: a killed driver must not leave its workers running."""
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_follow, args=(driver,), daemon=True).start()


def _follow(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1.0)
    os._exit(1)
