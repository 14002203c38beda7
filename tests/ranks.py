"""Two real processes in a gloo group, which run what tests hand them; started once, since that takes seconds."""

import contextlib
import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from typing import Any

import pytest
import torch
import torch.distributed as dist

#: Tests in which `fully_shard` trains; older versions of torch can do so on a GPU alone.
fully_shards = pytest.mark.skipif(
    not hasattr(torch.cpu.Stream, "record_event"), reason="fully_shard of this torch does not run on CPUs"
)
WORLD = 2
#: Seconds that a case may take, and a rank may wait for the other.
TIMEOUT = 120
ENDED = "its process ended"
_pair: list[tuple[Any, Connection]] = []


def on_ranks(case: Callable[..., Any], *arguments: Any, own_pair: bool = False) -> list[Any]:
    """What `case(rank, *arguments)` returns on each of two ranks.

    The pair is kept for the next case of the session, its default group too, so many cases cost one start. It is ended
    where a case fails on a rank. A case that breaks the group or ends a process takes a pair of its own.

    Args:
        case: a function at the top of a test module; it returns what can be pickled.
        *arguments: which can be pickled.
        own_pair: start two processes for this case alone; one that ends by itself has returned None.
    """
    pair = _started() if own_pair or not _pair else list(_pair)
    _pair[:] = _pair if own_pair else pair
    for _, connection in pair:
        connection.send((case, arguments))
    answers = _answers([connection for _, connection in pair])
    failures = [
        f"rank {rank}: {failure}"
        for rank, (failure, _) in enumerate(answers)
        if failure and not (own_pair and failure == ENDED)
    ]
    if failures or own_pair:
        _end(pair)
        _pair[:] = [kept for kept in _pair if kept not in pair]
    assert not failures, "\n".join(failures)
    return [value for _, value in answers]


def _answers(connections: list[Connection]) -> list[tuple[str, Any]]:
    """A failure, or none, and a value from each rank; once one has failed, the others may wait for it in vain."""
    answers = [("it took too long, or waited for the other", None)] * len(connections)
    waiting, seconds = list(connections), TIMEOUT
    while waiting and (ready := wait(waiting, seconds)):
        for connection in ready:
            try:
                answer = connection.recv()
            except EOFError:
                answer = ENDED, None
            answers[connections.index(connection)] = answer
            waiting.remove(connection)
            seconds = 10 if answer[0] else seconds
    return answers


def _started() -> list[tuple[Any, Connection]]:
    context = multiprocessing.get_context("spawn")
    meeting = os.path.join(tempfile.mkdtemp(), "meeting")
    pair = []
    for rank in range(WORLD):
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(rank, meeting, there), daemon=True)
        process.start()
        there.close()
        pair.append((process, here))
    return pair


def _end(pair: list[tuple[Any, Connection]]) -> None:
    for process, connection in pair:
        connection.close()
        process.terminate()
        process.join()


def _serve(rank: int, meeting: str, connection: Connection) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{meeting}", rank=rank, world_size=WORLD, timeout=timedelta(seconds=TIMEOUT)
    )
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            case, arguments = connection.recv()
            torch.manual_seed(0)
            try:
                answer = "", case(rank, *arguments)
            except BaseException:
                answer = traceback.format_exc(), None
            connection.send(answer)
