"""What must hold on two ranks: the same weights on both, and sharded what whole parameters give."""

import atexit
import contextlib
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import torch

from metaopt.errors import InputError
from metaopt.testing.errors import ConformanceError, NotApplicable
from metaopt.tuning import plugin_files_by_value

#: Seconds for a start of both processes, for a trial on a busy machine, and for one rank once the other has answered:
#: by then it has given up waiting, for `rank_process.PATIENCE_SECONDS` are fewer.
START_SECONDS, TRIAL_SECONDS, BEHIND_SECONDS = 180.0, 240.0, 60.0


def ranks_agree(spec: Any) -> None:
    """Two ranks that train with batches and metrics of their own hold the same weights, bit for bit."""
    _try("equal_on_ranks", spec)


def trains_sharded(spec: Any) -> None:
    """Sharded over two ranks by FSDP2 it trains as with whole parameters, or is refused at `bind`."""
    _try("equal_sharded", spec)


CHECKS: tuple[Callable[[Any], None], ...] = (ranks_agree, trains_sharded)


class Pair:
    """Two processes of one group, which wait for trials; started once, for any number of plugins."""

    _current: "Pair | None" = None

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="metaopt-ranks-")
        command = [sys.executable, "-m", "metaopt.testing.hosts.rank_process"]
        self._processes = []
        for rank in range(2):
            with self._said_by(rank).open("wb") as said:
                process = subprocess.Popen(
                    [*command, str(rank), self._folder.name],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    bufsize=-1,
                )
            self._processes.append(process)
        self._seconds = START_SECONDS + TRIAL_SECONDS
        atexit.register(self.close)

    @classmethod
    def current(cls) -> "Pair":
        """The pair of this process, started where there is none."""
        if cls._current is None:
            cls._current = cls()
        return cls._current

    def outcomes(self, trial: str, spec: Any) -> list[tuple[str, str]]:
        """What each rank says of a trial: status and message.

        Raises:
            ConformanceError: they come to no end, or one died; the next trial starts a new pair.
        """
        from metaopt.testing.hosts.rank_process import write

        message = pickle.dumps((trial, _written(spec)))
        answered: queue.Queue[tuple[int, bytes]] = queue.Queue()
        for rank, process in enumerate(self._processes):
            assert process.stdin is not None
            with contextlib.suppress(OSError):  # it has died: its pipe says so, below
                write(process.stdin, message)  # type: ignore[arg-type]
            threading.Thread(target=_hear, args=(rank, process.stdout, answered), daemon=True).start()
        seconds, self._seconds = self._seconds, TRIAL_SECONDS
        answers: dict[int, bytes] = {}
        while len(answers) < len(self._processes):
            try:
                rank, answer = answered.get(timeout=BEHIND_SECONDS if answers else seconds)
            except queue.Empty:
                self.close()
                break
            if not answer:
                why = self._end_of(rank)
                self.close()
                raise ConformanceError(why)
            answers[rank] = answer
        outcomes = [pickle.loads(answer) for answer in answers.values()]
        if len(outcomes) < len(self._processes) and not any(status == "failed" for status, _ in outcomes):
            waited = f"{seconds:.0f} s" if not outcomes else f"{BEHIND_SECONDS:.0f} s after one rank was done"
            raise ConformanceError(f"On two ranks it came to no end within {waited}: one waits for the other.")
        if len(set(outcomes)) > 1:
            self.close()  # one rank may still be within what the other has left
        return outcomes

    def _said_by(self, rank: int) -> Path:
        return Path(self._folder.name) / f"rank{rank}.log"

    def _end_of(self, rank: int) -> str:
        """How a process ended, and its last line."""
        status = self._processes[rank].wait()
        lines = self._said_by(rank).read_text(errors="replace").split("\n")
        last = next((line.strip().rstrip(".") for line in reversed(lines) if line.strip()), "")
        return f"On two ranks the process of rank {rank} died with status {status}{last and f': {last[:300]}'}."

    def close(self) -> None:
        """End both processes."""
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):  # what was not sent yet
                    pipe.close()  # type: ignore[union-attr]
        self._folder.cleanup()
        atexit.unregister(self.close)
        if Pair._current is self:
            Pair._current = None


def _hear(rank: int, pipe: Any, answered: "queue.Queue[tuple[int, bytes]]") -> None:
    """Put what a rank says next; nothing where its process ends."""
    from metaopt.testing.hosts.rank_process import read

    answered.put((rank, read(pipe)))


def _try(trial: str, spec: Any) -> None:
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        raise NotApplicable("This build of torch has no gloo, by which two processes on one machine train together.")
    outcomes = Pair.current().outcomes(trial, spec)
    for status in ("failed", "skipped"):
        for found, message in outcomes:
            if found == status:
                raise ConformanceError(message) if status == "failed" else NotApplicable(message)


def _written(spec: Any) -> bytes:
    """A spec for another process; plugin files, which nobody can import by name, are sent whole."""
    plugin_files_by_value()
    try:
        written: bytes = cloudpickle.dumps(spec)
    except Exception as error:
        raise InputError(f"{spec.kind} {spec.name!r} cannot be sent to another process: {error}.") from error
    return written
