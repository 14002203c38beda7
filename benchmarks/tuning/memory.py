"""Peak memory of this process and all that it starts, together."""

import resource
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

INTERVAL_SECONDS = 0.5
GIB = 2**30
MIB = 2**20


def resident_mib() -> float:
    """What this process holds now; its peak where there is no /proc."""
    held = _resident_bytes(Path("/proc/self"))
    return (held or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) / MIB


class PeakMemory:
    """Samples resident memory while active; where there is no /proc, the largest single process counts."""

    def __init__(self) -> None:
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def gib(self) -> float:
        """The largest sum that was seen, at least the peak of the largest process that has ended."""
        unit = 1 if sys.platform == "darwin" else 1024
        single = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return max(self._peak, single * unit) / GIB

    def _sample(self) -> None:
        while not self._done.wait(INTERVAL_SECONDS):
            self._peak = max(self._peak, sum(_resident_bytes(process) for process in _family()))


def _family() -> list[Path]:
    """This process and its descendants."""
    parents = {process: _parent(process) for process in Path("/proc").glob("[0-9]*")}
    processes = [Path("/proc/self").resolve()]
    for process in processes:
        processes += [child for child, parent in parents.items() if parent == process.name]
    return processes


def _parent(process: Path) -> str:
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[1]
    except (OSError, IndexError):  # it has just ended
        return ""


def _resident_bytes(process: Path) -> int:
    try:
        return int(process.joinpath("statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0
