"""Two processes with a process group of gloo, in which one training after the other runs."""

import datetime
import os
import socket
import traceback
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from benchmarks.hosts.job import Job, Trained

WORLD = 2
#: Seconds after which a collective fails, and after which a training is given up.
COLLECTIVE, TRAINING = 20, 90


class Failed(str):
    """A training that raised: the last line of the error."""

    is_refusal: bool


def attempted(job: Job) -> Trained | Failed:
    """The training of a job by its host, or how it failed; a refusal is an error of metaopt's own at `bind`."""
    from benchmarks.hosts.hosts import HOSTS

    try:
        return HOSTS[job.case.host](job)
    except Exception as error:  # whatever a framework makes of it
        causes = [error, *_causes(error)]
        own = [cause for cause in causes if type(cause).__module__.startswith("metaopt")]
        failed = Failed(f"{type((own or causes)[0]).__name__}: {(own or causes)[0]}"[:300])
        failed.is_refusal = bool(own) and "bound" in {
            frame.name for frame in traceback.extract_tb(own[0].__traceback__)
        }
        return failed


class Ranks:
    """Two processes; killed and begun anew after a training that hangs."""

    def __init__(self) -> None:
        self._processes: list[Any] = []
        self._ends: list[Connection] = []

    def run(self, jobs: list[Job]) -> list[Trained | Failed]:
        """The trainings of all ranks, side by side."""
        if not self._processes:
            self._begin()
        for end, job in zip(self._ends, jobs, strict=True):
            end.send(job)
        results: list[Trained | Failed] = []
        for rank, end in enumerate(self._ends):
            result = _received(end)
            if result is None:
                return self._given_up(f"rank {rank} hangs or died")
            results.append(result)
        if any(isinstance(result, Failed) and not result.is_refusal for result in results):
            self.close()  # the ranks may not be in step any more
        return results

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.join()
        self._processes, self._ends = [], []

    def _given_up(self, why: str) -> list[Trained | Failed]:
        self.close()
        failed = Failed(why)
        failed.is_refusal = False
        return [failed] * WORLD

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        port = _free_port()
        for rank in range(WORLD):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(rank, port, there), daemon=True)
            process.start()
            self._processes.append(process)
            self._ends.append(here)


def _serve(rank: int, port: int, end: Connection) -> None:
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(WORLD),
        "LOCAL_WORLD_SIZE": str(WORLD),
        "TORCHELASTIC_RUN_ID": "hosts",
        "GROUP_RANK": "0",
    }
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=COLLECTIVE))
    while True:
        end.send(attempted(end.recv()))


def _received(end: Connection) -> Trained | Failed | None:
    """What a rank sends, or None where it hangs or died."""
    try:
        return end.recv() if end.poll(TRAINING) else None
    except EOFError:
        return None


def _causes(error: BaseException) -> list[BaseException]:
    cause = error.__cause__ or error.__context__
    return [] if cause is None else [cause, *_causes(cause)]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
