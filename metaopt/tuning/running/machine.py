"""How much of this machine a training gets at the moment: measured, since others may be at work on it."""

import os
import time
from dataclasses import dataclass

import torch

#: Seconds that a measurement takes.
SECONDS = 1.0
#: A process that gets more than this share of a processor has one to itself.
_WHOLE = 0.9


@dataclass(frozen=True)
class Machine:
    """What processes of ours get of the processors here.

    Attributes:
        processors: that this process may use.
        share: of a processor that one process gets, in (0, 1].
        others: processes of others that want a processor at any moment, on average.
    """

    processors: int = 1
    share: float = 1.0
    others: float = 0.0

    def speed(self, workers: int = 1) -> float:
        """Processors that so many processes have together.

        Of P processors, shared fairly with D others, W processes have W · min(1, P / (D + W)). D is counted where one
        process has a processor to itself, and else solved for: one process has the share s = P / (D + 1).
        """
        if workers == 1:
            return self.share
        others = self.others if self.share > _WHOLE else self.processors / self.share - 1
        return workers * min(1.0, self.processors / max(others + workers, 1e-9))


#: A processor of which nobody else wants anything.
IDLE = Machine()


def measured(seconds: float = SECONDS) -> Machine:
    """The machine as it is now, by work of the kind that a training of a small model is."""
    weights, inputs = torch.ones(64, 64), torch.ones(64, 64)
    started, used, counts = time.perf_counter(), time.process_time(), []
    while (elapsed := time.perf_counter() - started) < seconds:
        for _ in range(200):
            inputs = torch.tanh(inputs @ weights)
        counts.append(_runnable())
    share = min(max((time.process_time() - used) / elapsed, 0.01), 1.0)
    return Machine(_processors(), share, max(sum(counts) / len(counts) - 1, 0.0))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _runnable() -> float:
    """Threads that run or wait for a processor, this one among them; 1 where the system does not say."""
    try:
        with open("/proc/loadavg") as file:
            return float(file.read().split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return 1.0
