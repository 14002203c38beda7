"""What the driver costs an evaluation, from 10² to 10⁵ evaluations, 10 to 500 tasks and any number of workers.

    python -m benchmarks.tuning.driver_scale [--sizes 100x10 100000x10 100000x500] [--workers 10000] [--seconds 60]
        [--batches 3] [--json]

The evaluator, the dispatcher and the ledger (a new SQLite file) are those of a study. Only the executor is simulated:
its workers take a block, and hand its results back so many seconds later on a clock of its own, on which the driver's
work takes as long as it takes here and waiting takes no time at all. A block is one candidate on one task, as with
black boxes, which is the dearest case for a driver.

Batches of 40 candidates are measured, those of the sizes in turn, so that what else the machine does meets all alike;
each column is the median over batches. `processor ms` is an evaluation's; `a second` how many evaluations a driver
could store if workers were never waited for; `delay` how long a worker that is free waits for its next block while
there is one, the median and the longest of twenty; `bytes` what an evaluation takes in the ledger's file, `MiB` what
the process holds. A driver has to keep up with `workers / seconds` evaluations a second; where it does not, delays
grow: the last column says which share of the workers' time is used.
"""

import argparse
import contextlib
import heapq
import itertools
import json
import math
import statistics
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch

import metaopt
from benchmarks.tuning.ledger_scale import ParamRecorder
from benchmarks.tuning.memory import resident_mib
from metaopt.configuration import Configuration
from metaopt.plugin import current_registry
from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.protocol import Block, Ended
from metaopt.tuning.ledger.ledger import Ledger
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.search.joint_space import joint_space
from metaopt.tuning.search.study import BATCH
from metaopt.tuning.seeds import RACE_SEED

REACH = 1.2
NUM_VALIDATIONS = 15


class SimulatedExecutor:
    """Workers on a clock of their own.

    Args:
        count: of workers.
        seconds: that a block takes.
    """

    is_elsewhere = True

    def __init__(self, count: int, seconds: float) -> None:
        self.count, self.seconds = count, seconds
        self.delays: list[float] = []
        self.busy = self.skipped = 0.0
        self._free = [0.0] * count
        self._running: list[tuple[float, int, Block]] = []
        self._tickets = itertools.count()
        self._begun = time.perf_counter()

    @property
    def now(self) -> float:
        return time.perf_counter() - self._begun + self.skipped

    def submit(self, block: Block, waiting: int) -> int | None:
        if not self._free:
            return None
        since = heapq.heappop(self._free)
        now, ticket = self.now, next(self._tickets)
        self.delays.append(now - since)
        self.busy += self.seconds
        heapq.heappush(self._running, (now + self.seconds, ticket, block))
        return ticket

    def finished(self, timeout: float) -> Sequence[Ended]:
        if self._running and self._running[0][0] > self.now:
            self.skipped += self._running[0][0] - self.now  # nobody waits on this clock
        ended = []
        while self._running and self._running[0][0] <= self.now:
            moment, ticket, block = heapq.heappop(self._running)
            heapq.heappush(self._free, moment)
            ended.append(Ended(ticket, result=[(curve(run[0].configuration), 1.0) for run in block.arguments[0]]))
        return ended

    def pause(self) -> None:
        """Nothing waits: who is free from now on has not been waiting."""
        self._free = [self.now] * len(self._free)

    def cancel(self, tickets: Collection[int]) -> None:
        self._running.clear()

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        self._running.clear()


@dataclass(frozen=True)
class Measured:
    """A batch of a study of one size."""

    evaluations: int
    tasks: int
    workers: int
    processor_ms: float
    rate: float
    delay: float
    longest_delay: float
    bytes_each: float
    resident_mib: float
    used: float


def train(recipe: metaopt.Recipe, seed: int) -> Iterator[tuple[int, float]]:
    """Nobody calls it."""
    yield 1, 1.0


STEPS = np.linspace(20, 300, NUM_VALIDATIONS)


def curve(configuration: Configuration) -> metaopt.Curve:
    """A curve that falls to a level that the configuration decides."""
    values = int(configuration.key, 16) / 2**64 + np.exp(-STEPS / 60)
    return metaopt.Curve(STEPS, values, 300, values + 0.01)


class Study:
    """So many evaluations, and batches of 40 candidates after them.

    Args:
        folder: for its ledger.
        evaluations: to begin with.
        num_tasks: of the corpus.
        workers: simulated.
        seconds: that a block takes.
    """

    def __init__(self, folder: Path, evaluations: int, num_tasks: int, workers: int, seconds: float) -> None:
        self.corpus = [
            metaopt.BlackBoxTask(name=f"task{n}", family=f"family{n % 10}", train=train) for n in range(num_tasks)
        ]
        self.executor, self.file = SimulatedExecutor(workers, seconds), folder / "ledger.db"
        self.evaluator = Evaluator(
            Ledger(f"sqlite:///{self.file}"),
            current_registry(),
            workers=Dispatcher(self.executor),
            announce=lambda line: None,
        )
        self._space, self._recorder = joint_space(current_registry()), ParamRecorder(np.random.default_rng(0))
        while self.evaluator.spent.evaluations < evaluations:
            self._train(min(BATCH, math.ceil((evaluations - self.evaluator.spent.evaluations) / num_tasks)))

    def batch(self) -> Measured:
        """Measure one more."""
        executor, evaluator = self.executor, self.evaluator
        executor.pause()
        executor.delays.clear()
        executor.busy, begun = 0.0, executor.now
        started, clock, count = time.process_time(), time.perf_counter(), evaluator.spent.evaluations
        self._train(BATCH)
        done = evaluator.spent.evaluations - count
        processor, clock = time.process_time() - started, time.perf_counter() - clock
        later = sorted(executor.delays[executor.count :] or executor.delays)
        return Measured(
            evaluator.spent.evaluations,
            len(self.corpus),
            executor.count,
            1e3 * processor / done,
            done / clock,
            later[len(later) // 2],
            later[-max(len(later) // 20, 1)],
            self.file.stat().st_size / evaluator.spent.evaluations,
            resident_mib(),
            executor.busy / ((executor.now - begun) * min(executor.count, done)),
        )

    def close(self) -> None:
        self.evaluator.close()

    def _train(self, candidates: int) -> None:
        proposed = [self._space.suggest(self._recorder) for _ in range(candidates)]
        self.evaluator.curves(proposed, self.corpus, [RACE_SEED])


def median(batches: Sequence[Measured]) -> Measured:
    """Of each column, where batches are of one size."""
    floats = [each.name for each in fields(Measured) if each.type in (float, "float")]
    return replace(batches[-1], **{name: statistics.median(getattr(each, name) for each in batches) for name in floats})


def measure(sizes: Sequence[tuple[int, int]], options: argparse.Namespace) -> list[Measured]:
    """Batches of each size, in turn, so that what else the machine does meets all of them alike.

    The smallest size is made anew for each of its batches, or it would grow beyond it.
    """
    batches: list[list[Measured]] = [[] for _ in sizes]
    with contextlib.ExitStack() as stack:

        def begun(size: tuple[int, int]) -> Study:
            evaluations, tasks = size
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            return stack.enter_context(
                contextlib.closing(Study(folder, evaluations, tasks, options.workers, options.seconds))
            )

        studies = [begun(size) for size in sizes]
        for number, (place, (evaluations, tasks)) in itertools.product(range(options.batches), enumerate(sizes)):
            if number and evaluations < BATCH * tasks:
                studies[place].close()
                studies[place] = begun((evaluations, tasks))
            batches[place].append(studies[place].batch())
    return [median(each) for each in batches]


def size(text: str) -> tuple[int, int]:
    """Evaluations and tasks."""
    evaluations, _, tasks = text.partition("x")
    return int(evaluations), int(tasks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes",
        type=size,
        nargs="+",
        default=[(100, 10), (100_000, 10), (100_000, 500)],
        metavar="EVALUATIONSxTASKS",
        help="what is in the ledger before, and how many tasks there are",
    )
    parser.add_argument("--workers", type=int, default=10_000, help="simulated")
    parser.add_argument("--seconds", type=float, default=60.0, help="that a block takes")
    parser.add_argument("--batches", type=int, default=3, help="that are measured of each size")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'evaluations':>11}{'tasks':>7}{'workers':>9}{'processor ms':>14}{'a second':>10}{'delay, s':>10}", end="")
    print(f"{'1 of 20':>9}{'bytes':>8}{'MiB':>6}{'used':>7}", flush=True)
    measurements = measure(options.sizes, options)
    for each in measurements:
        print(f"{each.evaluations:11,}{each.tasks:7,}{each.workers:9,}{each.processor_ms:14.2f}", end="")
        print(f"{each.rate:10.0f}{each.delay:10.3f}{each.longest_delay:9.3f}{each.bytes_each:8.0f}", end="")
        print(f"{each.resident_mib:6.0f}{each.used:7.0%}", flush=True)
    first, last = measurements[0], measurements[-1]
    ratio = last.processor_ms / first.processor_ms
    print(
        f"{last.evaluations:,} evaluations of {last.tasks} tasks against {first.evaluations:,} of {first.tasks}: "
        f"{ratio:.2f} × (reach {REACH})"
    )
    if options.json:
        print(json.dumps({"sizes": [asdict(each) for each in measurements], "ratio": ratio, "reach": REACH}))


if __name__ == "__main__":
    main()
