"""Gives blocks to an executor, and again where a worker died or hung, until each has its result."""

import math
import time
from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from metaopt.tuning.executors.protocol import Block, Ended, Executor, ExecutorError, Loss, WorkerError

#: How often a block is repeated whose worker died or hung, before its task is blamed.
REPEATS = 2
#: How often it is repeated where machines went away, which says nothing of the block; a block that takes each machine
#: down comes to an end as well.
MOVES = 30
#: A block counts as hung when it takes so many times longer than predicted: machines get busy, predictions are short.
SLACK = 20.0
#: What the first blocks of an executor may take in addition, for their workers' imports.
START_SECONDS = 60.0
#: How long nothing may finish before the executor is asked whether it is alive, seconds.
PATIENCE_SECONDS = 5.0

_REPLACED = "A worker process died or hung; it is replaced and its work is repeated."
_MOVED = "A machine went away; its work is repeated elsewhere."


@dataclass
class Dispatcher:
    """Runs blocks and repeats those that were lost.

    Attributes:
        executor: whose slots they run in.
        least_seconds: a block never counts as hung before that; from then on after `SLACK` times its predicted time.
        announce: told when a worker is replaced.
    """

    executor: Executor
    least_seconds: float = 60.0
    announce: Callable[[str], None] = lambda line: None
    _has_begun: bool = field(default=False, init=False)

    @property
    def is_elsewhere(self) -> bool:
        """Whether blocks run on other machines."""
        return self.executor.is_elsewhere

    def results(self, blocks: Sequence[Block]) -> Iterator[tuple[int, Any]]:
        """Run all blocks; yields (position, result) as they finish. Errors are those of `groups`."""
        for group in self.groups(blocks):
            yield from group

    def groups(self, blocks: Sequence[Block]) -> Generator[list[tuple[int, Any]], None, None]:
        """Run all blocks; yields (position, result) of those that have finished, together: they are stored at once.

        Raises:
            WorkerError: a block's worker died or hung more than `REPEATS` times.
            ExecutorError: nothing can run any more.
            Exception: what a block raised.
        """
        batch = _Batch(blocks)
        try:
            while batch.unfinished:
                self._fill(batch)
                ended = self.executor.finished(batch.patience())
                yield from self._sorted(batch, ended)
                self._cancel_late(batch)
                if not ended and not self.executor.is_alive():
                    raise ExecutorError(
                        "What runs the work no longer answers; everything that has finished is stored: run the same "
                        "command again when it does."
                    )
        finally:
            if batch.running:  # whoever asked for results wants no more of them
                self.executor.cancel(list(batch.running))
                self._has_begun = False

    def close(self) -> None:
        """End the workers."""
        self.executor.close()
        self._has_begun = False

    def _fill(self, batch: "_Batch") -> None:
        """No more blocks at once than there are slots, so that it is known when each of them began."""
        if batch.suspects:
            if not batch.running:
                self._start(batch, batch.suspects[0], 1)
            return
        for queue in batch.queues.values():
            while queue and self._start(batch, queue[0], len(queue)):
                queue.popleft()

    def _start(self, batch: "_Batch", position: int, waiting: int) -> bool:
        block = batch.blocks[position]
        ticket = self.executor.submit(block, waiting)
        if ticket is None:
            return False
        start = 0.0 if self._has_begun else START_SECONDS
        batch.running[ticket] = position, time.monotonic() + start + self.timeout(block)
        return True

    def _sorted(self, batch: "_Batch", ended: Sequence[Ended]) -> Iterator[list[tuple[int, Any]]]:
        """Results first, so that nothing that finished is lost; then what went wrong."""
        known = [(batch.running.pop(each.ticket)[0], each) for each in ended if each.ticket in batch.running]
        self._has_begun = self._has_begun or any(each.lost is None for _, each in known)
        done = [(position, each.result) for position, each in known if each.lost is None and each.error is None]
        for position, _ in done:
            batch.finish(position)
        if done:
            yield done
        for _, each in known:
            if each.error is not None:
                raise each.error
        lost = [(position, each.lost) for position, each in known if each.lost is not None]
        for line in dict.fromkeys(_MOVED if loss == "node" else _REPLACED for _, loss in lost):
            self.announce(line)
        for position, loss in sorted(lost, reverse=True):
            if loss == "pool":
                self._has_begun = False  # its workers begin anew
            batch.repeat(position, loss)
            self._check_blame(batch, position)

    def _check_blame(self, batch: "_Batch", position: int) -> None:
        block, failures = batch.blocks[position], batch.failures[position]
        if failures > REPEATS:
            limit = self.timeout(block)
            hung = f", or more than {limit:.0f} s" if math.isfinite(limit) else ""
            raise WorkerError(
                f"{block.label} took its worker process down {failures} times (out of memory, a crash{hung}); run it "
                "alone to see why."
            )
        if batch.moves[position] > MOVES:
            raise WorkerError(
                f"{block.label} lost the machine that it ran on {batch.moves[position]} times; run it alone to see "
                "whether it takes them down."
            )

    def _cancel_late(self, batch: "_Batch") -> None:
        now = time.monotonic()
        late = [ticket for ticket, (_, deadline) in batch.running.items() if deadline <= now]
        if late:
            self.executor.cancel(late)

    def timeout(self, block: Block) -> float:
        """Seconds after which a block counts as hung."""
        return math.inf if block.seconds is None else max(self.least_seconds, SLACK * block.seconds)


class _Batch:
    """Blocks on their way: which wait for a slot, which are running, which are suspected.

    Blocks that ran together when a worker went down run alone, one after the other, so that the right one is blamed.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        self.unfinished = len(blocks)
        self.queues: dict[frozenset[tuple[str, float]], deque[int]] = {}
        self.failures: Counter[int] = Counter()
        self.moves: Counter[int] = Counter()
        self.running: dict[int, tuple[int, float]] = {}
        self.suspects: list[int] = []
        for position, block in enumerate(blocks):
            self._queue(block).append(position)

    def finish(self, position: int) -> None:
        """A block has its result."""
        self.unfinished -= 1
        if position in self.suspects:
            self.suspects.remove(position)

    def repeat(self, position: int, loss: Loss) -> None:
        """A block was lost: it runs again, and alone if others ran beside it when that happened."""
        (self.moves if loss == "node" else self.failures)[position] += 1
        if loss == "pool" and position not in self.suspects:
            insort(self.suspects, position)
        if position not in self.suspects:
            self._queue(self.blocks[position]).appendleft(position)

    def patience(self) -> float:
        """Seconds until the first block that runs counts as hung, at most `PATIENCE_SECONDS`."""
        soonest = min((deadline for _, deadline in self.running.values()), default=math.inf)
        return min(max(soonest - time.monotonic(), 0.0), PATIENCE_SECONDS)

    def _queue(self, block: Block) -> deque[int]:
        return self.queues.setdefault(frozenset(block.resources.items()), deque())
