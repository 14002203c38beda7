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
from typing import Any

import cloudpickle
import torch

from metaopt.errors import InputError
from metaopt.testing.errors import ConformanceError, NotApplicable
from metaopt.tuning import plugin_files_by_value

#: Seconds for a start of both processes, and for a trial.
START_SECONDS, TRIAL_SECONDS = 180.0, 60.0


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
        self._processes = [
            subprocess.Popen(
                [*command, str(rank), self._folder.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=-1
            )
            for rank in range(2)
        ]
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
            TimeoutError: they do not answer; the next trial starts a new pair.
        """
        from metaopt.testing.hosts.rank_process import read, write

        message = pickle.dumps((trial, _written(spec)))
        answered: queue.Queue[bytes] = queue.Queue()
        for process in self._processes:
            assert process.stdin is not None
            write(process.stdin, message)  # type: ignore[arg-type]
            threading.Thread(target=lambda pipe: answered.put(read(pipe)), args=(process.stdout,), daemon=True).start()
        try:
            answers = [answered.get(timeout=self._seconds) for _ in self._processes]
        except queue.Empty:
            answers = [b""]
        self._seconds = TRIAL_SECONDS
        if not all(answers):
            self.close()
            raise TimeoutError
        outcomes = [pickle.loads(answer) for answer in answers]
        if len(set(outcomes)) > 1:
            self.close()  # one rank may still be within what the other has left
        return outcomes

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


def _try(trial: str, spec: Any) -> None:
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        raise NotApplicable("This build of torch has no gloo, by which two processes on one machine train together.")
    try:
        outcomes = Pair.current().outcomes(trial, spec)
    except (TimeoutError, OSError) as error:
        message = "On two ranks it came to no end: one waits for the other, or a process died."
        raise ConformanceError(message) from error
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
