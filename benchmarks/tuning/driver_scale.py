"""What the driver costs an evaluation, from 10² to 10⁵ evaluations, 10 to 500 tasks and any number of workers.

    python -m benchmarks.tuning.driver_scale [--evaluations 100 100000] [--tasks 10 500] [--workers 100 10000]
        [--seconds 60] [--profile] [--json]

The evaluator, the dispatcher and the ledger (a new SQLite file) are those of a study. Only the executor is simulated:
its workers take a block, and hand its results back so many seconds later on a clock of its own, on which the driver's
work takes as long as it takes here and waiting takes no time at all. A block is one candidate on one task, as with
black boxes, which is the dearest case for a driver.

`processor ms` is an evaluation's, over the last batch of 40 candidates; `a second` how many evaluations a driver could
store if workers were never waited for; `delay` how long a worker that is free waits for its next block while there is
one, the median and the longest of twenty; `bytes` what an evaluation takes in the ledger's file. A driver has to keep
up with `workers / seconds` evaluations a second; where it does not, delays grow: the last column says which share of
the workers' time is used.
"""

import argparse
import cProfile
import heapq
import itertools
import json
import math
import pstats
import resource
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

import metaopt
from benchmarks.tuning.ledger_scale import ParamRecorder
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
SHOWN = 25


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
    """One size of a study."""

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


def candidates(count: int) -> list[Configuration]:
    """Random ones from the whole space."""
    space, recorder = joint_space(current_registry()), ParamRecorder(np.random.default_rng(0))
    return [space.suggest(recorder) for _ in range(count)]


def measure(
    evaluations: int, num_tasks: int, workers: int, seconds: float, profile: cProfile.Profile | None = None
) -> Measured:
    """Evaluate so many times, and measure the last batch."""
    corpus = [metaopt.BlackBoxTask(name=f"task{n}", family=f"family{n % 10}", train=train) for n in range(num_tasks)]
    proposed = candidates(math.ceil(evaluations / num_tasks) + BATCH)
    executor = SimulatedExecutor(workers, seconds)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.db"
        evaluator = Evaluator(
            Ledger(f"sqlite:///{file}"), current_registry(), workers=Dispatcher(executor), announce=lambda line: None
        )
        *before, last = [proposed[begin : begin + BATCH] for begin in range(0, len(proposed) - BATCH + 1, BATCH)]
        for batch in before:
            evaluator.curves(batch, corpus, [RACE_SEED])
        executor.pause()
        executor.delays.clear()
        executor.busy, begun = 0.0, executor.now
        started, clock, count = time.process_time(), time.perf_counter(), evaluator.spent.evaluations
        if profile is not None:
            profile.enable()
        evaluator.curves(last, corpus, [RACE_SEED])
        if profile is not None:
            profile.disable()
        done = evaluator.spent.evaluations - count
        processor, clock = time.process_time() - started, time.perf_counter() - clock
        later = sorted(executor.delays[workers:] or executor.delays)
        measured = Measured(
            evaluator.spent.evaluations,
            num_tasks,
            workers,
            1e3 * processor / done,
            done / clock,
            later[len(later) // 2],
            later[-max(len(later) // 20, 1)],
            file.stat().st_size / evaluator.spent.evaluations,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            executor.busy / ((executor.now - begun) * min(workers, done)),
        )
        evaluator.close()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, nargs="+", default=[100, 100_000], help="in the ledger before")
    parser.add_argument("--tasks", type=int, nargs="+", default=[10, 500])
    parser.add_argument("--workers", type=int, nargs="+", default=[100], help="simulated")
    parser.add_argument("--seconds", type=float, default=60.0, help="that a block takes")
    parser.add_argument("--profile", action="store_true", help="show where the time of the largest study goes")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'evaluations':>11}{'tasks':>7}{'workers':>9}{'processor ms':>14}{'a second':>10}{'delay, s':>10}", end="")
    print(f"{'1 of 20':>9}{'bytes':>8}{'MiB':>6}{'used':>7}")
    measurements = []
    for tasks, workers, evaluations in itertools.product(options.tasks, options.workers, options.evaluations):
        largest = (tasks, workers, evaluations) == tuple(
            max(each) for each in (options.tasks, options.workers, options.evaluations)
        )
        profile = cProfile.Profile() if options.profile and largest else None
        each = measure(evaluations, tasks, workers, options.seconds, profile)
        measurements.append(each)
        print(
            f"{each.evaluations:11,}{each.tasks:7,}{each.workers:9,}{each.processor_ms:14.2f}{each.rate:10.0f}", end=""
        )
        print(f"{each.delay:10.3f}{each.longest_delay:9.3f}{each.bytes_each:8.0f}{each.resident_mib:6.0f}", end="")
        print(f"{each.used:7.0%}", flush=True)
        if profile is not None:
            pstats.Stats(profile, stream=sys.stdout).sort_stats("cumulative").print_stats(SHOWN)
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
