"""One of two processes that train together, told by its parent what to try: `python -m … RANK FOLDER`."""

import datetime
import os
import pickle
import struct
import sys
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

import cloudpickle
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from metaopt.errors import MetaOptError
from metaopt.testing.answers import describe_error
from metaopt.testing.hosts.trainings import (
    NUM_STEPS,
    Case,
    by_run,
    cases_of,
    largest_difference,
    loss_on,
    train,
    weights_of,
)

WORLD = 2
#: Seconds after which a rank that waits for the other gives up.
PATIENCE_SECONDS = 20.0
#: How far sharded training may end from training with whole parameters.
TOLERANCE = 1e-5


class RefusedError(Exception):
    """The plugin was refused by name before it trained; the message is the refusal."""


def equal_on_ranks(case: Case) -> str:
    """What differs between ranks that train with different batches and metrics; empty where nothing does."""
    model = _on_ranks(case)
    own = torch.cat([param.flatten() for param in weights_of(model).values()])
    all_of = [torch.empty_like(own) for _ in range(WORLD)]
    dist.all_gather(all_of, own)
    if torch.equal(*all_of):
        return ""
    difference = float((all_of[0] - all_of[1]).abs().max())
    return f"After {NUM_STEPS} steps on two ranks with batches of their own, weights differ by {difference:.2g}."


def equal_sharded(case: Case) -> str:
    """How sharded training differs from training with whole parameters; empty where it does not."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    whole = weights_of(_on_ranks(case))
    mesh = init_device_mesh("cpu", (WORLD,))
    model = case.model()
    bare = case.model()
    fully_shard(model, mesh=mesh)
    _train(case, model, named=bare)
    sharded = {
        name: param.full_tensor() if isinstance(param, DTensor) else param for name, param in weights_of(model).items()
    }
    name, difference = largest_difference(sharded, whole)
    if difference <= TOLERANCE:
        return ""
    return (
        f"{NUM_STEPS} steps with parameters sharded over two ranks end {difference:.2g} from whole ones, in {name!r}."
    )


#: By name, what may be tried.
TRIALS: dict[str, Callable[[Case], str]] = {trial.__name__: trial for trial in (equal_on_ranks, equal_sharded)}


def outcome(trial: str, spec: Any) -> tuple[str, str]:
    """Status and message of a trial, for all recipes in which a plugin is tried."""
    refusals = []
    for case in cases_of(spec):
        if case.takes_closure:
            return "skipped", "Its step calls a closure, how often each rank decides by itself."
        try:
            fault = TRIALS[trial](case)
        except RefusedError as refusal:
            refusals.append(f"{case.label}It is refused: {refusal}")
            continue
        except Exception as error:
            return "failed", f"{case.label}On two ranks it raised {describe_error(error)}"
        if fault:
            return "failed", f"{case.label}{fault}"
    return ("skipped", " ".join(refusals)) if refusals else ("passed", "")


def serve(rank: int, folder: str, requests: BinaryIO, answers: BinaryIO) -> None:
    """Try what the parent asks for, until it closes the pipe."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=WORLD,
        timeout=datetime.timedelta(seconds=PATIENCE_SECONDS),
    )
    while message := read(requests):
        trial, written = pickle.loads(message)
        write(answers, pickle.dumps(outcome(trial, cloudpickle.loads(written))))
    dist.destroy_process_group()


def read(pipe: BinaryIO) -> bytes:
    """The next message; empty at the end."""
    head = pipe.read(8)
    return pipe.read(struct.unpack("<q", head)[0]) if len(head) == 8 else b""


def write(pipe: BinaryIO, message: bytes) -> None:
    """Send a message."""
    pipe.write(struct.pack("<q", len(message)) + message)
    pipe.flush()


def _on_ranks(case: Case) -> nn.Module:
    """A model that every rank trained on its own half of the rows."""
    model = case.model()
    _train(case, DistributedDataParallel(model), named=model)
    return model


def _train(case: Case, model: nn.Module, named: nn.Module) -> None:
    rank = dist.get_rank()
    try:
        run = case.bind(model, named=named)
    except MetaOptError as error:
        raise RefusedError(str(error)) from error

    def loss() -> Tensor:
        return loss_on(model, slice(rank, None, WORLD))

    train(case, run, by_run, loss, value=1.0 + rank)


if __name__ == "__main__":
    answer_pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what plugins print is no answer
    serve(int(sys.argv[1]), sys.argv[2], sys.stdin.buffer, answer_pipe)
