"""Blocks run in processes of this machine, which end with the driver."""

import itertools
import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any

from loky import ProcessPoolExecutor
from loky.process_executor import BrokenProcessPool

from metaopt.tuning.executors.protocol import Block, Ended, ExecutorError, ExecutorSettings
from metaopt.tuning.running.carried_plugins import plugin_files_by_value, worker_setup


def create(settings: ExecutorSettings) -> "LocalExecutor | None":
    """Processes of this machine; None where there would be one, for the driver then trains by itself.

    Raises:
        ExecutorError: an address was given.
    """
    if settings.address is not None:
        raise ExecutorError("--address is that of a cluster; choose one with --executor ray.")
    workers = 1 if settings.workers is None else settings.workers
    return LocalExecutor(workers, settings.setup) if workers > 1 else None


@dataclass
class LocalExecutor:
    """A pool of processes. One that dies takes the others along, so the whole pool is replaced.

    Attributes:
        count: how many work at once.
        setup: makes what each of them calls first.
    """

    count: int
    setup: Callable[[], Callable[[], None]] = worker_setup
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)
    _running: dict[Future[Any], int] = field(default_factory=dict, init=False)
    _lost: list[int] = field(default_factory=list, init=False)
    _tickets: "itertools.count[int]" = field(default_factory=itertools.count, init=False)

    @property
    def is_elsewhere(self) -> bool:
        """Blocks run on this machine."""
        return False

    def submit(self, block: Block, waiting: int = 1) -> int | None:
        """Start a block if a process is free."""
        if len(self._running) >= self.count or self._lost:
            return None
        try:
            future = self._begin(block)
        except BrokenProcessPool:  # a process died since the pool was last looked at
            if self._running:
                return None  # those blocks tell of it
            self.close()
            future = self._begin(block)
        self._running[future] = ticket = next(self._tickets)
        return ticket

    def finished(self, timeout: float) -> Sequence[Ended]:
        """Results of the blocks that are done; once a process died, all that were running are lost."""
        if not self._lost and self._running:
            done, _ = wait(self._running, timeout=timeout, return_when=FIRST_COMPLETED)
            ended = [_ended(self._running.pop(future), future) for future in done]
            if not any(each.lost for each in ended):
                return ended
            self._lose()
        else:
            ended = []
        lost, self._lost = self._lost, []
        return [*ended, *(Ended(ticket, lost="pool") for ticket in lost)]

    def cancel(self, tickets: Collection[int]) -> None:
        """End all processes, and so all blocks: no process can be ended alone."""
        if set(tickets) & set(self._running.values()):
            self._lose()

    def is_alive(self) -> bool:
        """Processes can always be begun."""
        return True

    def close(self) -> None:
        """End the processes."""
        self._running.clear()
        self._lost.clear()
        if self._pool is not None:
            self._pool.shutdown(kill_workers=True)
            self._pool = None

    def _begin(self, block: Block) -> "Future[Any]":
        if self._pool is None:
            begun_with = os.getpid(), self.setup()
            self._pool = ProcessPoolExecutor(max_workers=self.count, initializer=_prepare, initargs=begun_with)
        plugin_files_by_value()
        function, arguments = block.call()
        future: Future[Any] = self._pool.submit(function, *arguments)
        return future

    def _lose(self) -> None:
        lost = sorted(self._running.values())
        self.close()
        self._lost = lost


def _ended(ticket: int, future: "Future[Any]") -> Ended:
    raised = future.exception()
    if raised is None:
        return Ended(ticket, result=future.result())
    return Ended(ticket, lost="pool") if isinstance(raised, BrokenProcessPool) else Ended(ticket, error=raised)


def _prepare(driver: int, setup: Callable[[], None]) -> None:
    """No life after the driver: when it is killed, no workers may go on."""
    threading.Thread(target=_follow, args=(driver,), daemon=True).start()
    setup()


def _follow(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(1.0)
    os._exit(1)
