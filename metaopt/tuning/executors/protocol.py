"""What an executor is: something that takes blocks of work into its slots and tells what became of each."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from metaopt.errors import InputError, MetaOptError

#: Whom a lost block is to blame on: itself (`"worker"`: the process that ran it alone died), it or another one that
#: ran at the same time (`"pool"`), or nobody (`"node"`: the machine went away).
Loss: TypeAlias = Literal["worker", "pool", "node"]


class WorkerError(MetaOptError):
    """A block took its worker down again and again."""


class ExecutorError(InputError):
    """Where work should run there is nothing, something else, or too little."""


@dataclass(frozen=True)
class Shared:
    """What many blocks are called with: a task with its data, sent to each place once.

    Attributes:
        key: the same for equal values alone.
        value: the first argument of the block's function.
    """

    key: str
    value: Any


@dataclass(frozen=True)
class Block:
    """Something to run in a slot; run twice it gives the same.

    Attributes:
        label: for messages.
        function: called there; sent by value, lambdas and notebook functions included.
        arguments: its arguments, after the shared one.
        seconds: how long it will take, as far as anybody knows; without that it is never taken to be hung.
        shared: its first argument, if it shares one with other blocks.
        resources: what it needs, by name as in `BlackBoxTask.resources`; one processor if empty.
    """

    label: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    seconds: float | None = None
    shared: Shared | None = None
    resources: Mapping[str, float] = field(default_factory=dict)

    def call(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The function with all its arguments."""
        return self.function, self.arguments if self.shared is None else (self.shared.value, *self.arguments)


@dataclass(frozen=True)
class Ended:
    """What became of a block.

    Attributes:
        ticket: what `submit` returned for it.
        result: what its function returned.
        error: what its function raised, or None.
        lost: set if it has neither, since what ran it is gone.
    """

    ticket: int
    result: Any = None
    error: BaseException | None = None
    lost: Loss | None = None


class Executor(Protocol):
    """Slots that blocks run in.

    Workers are long-lived, one a slot, and replaced by the executor when they are gone; which blocks are repeated, and
    how often, is decided by `metaopt.tuning.executors.dispatcher`.
    """

    @property
    def is_elsewhere(self) -> bool:
        """Whether blocks run on other machines: the driver then runs none itself."""

    def submit(self, block: Block, waiting: int) -> int | None:
        """Start a block in a free slot; returns its ticket, or None if none is free for it now.

        Args:
            block: what to run.
            waiting: how many blocks of the same resources wait for a slot, this one among them.

        Raises:
            ExecutorError: there will never be one.
        """

    def finished(self, timeout: float) -> Sequence[Ended]:
        """What has ended since the last call, each ticket once; waits for the first, or for a free slot.

        Args:
            timeout: seconds to wait at most.
        """

    def cancel(self, tickets: Collection[int]) -> None:
        """End these blocks, whatever they are doing; `finished` still tells of each, as lost if nothing else."""

    def is_alive(self) -> bool:
        """Whether blocks can be run at all; asked when nothing has finished for a while."""

    def close(self) -> None:
        """End all workers and leave nothing behind; nothing is submitted afterwards."""


@dataclass(frozen=True, kw_only=True)
class ExecutorSettings:
    """What an executor is made from.

    Attributes:
        workers: slots at most; None to leave it to the executor.
        address: of the cluster; None to leave it to the executor.
        setup: makes what each new worker calls before its first block; it can be pickled.
        announce: told in one line whenever there is something to say.
        log_file: for what is not for people who wait for a result; None where there is no place for one.
    """

    workers: int | None
    address: str | None
    setup: Callable[[], Callable[[], None]]
    announce: Callable[[str], None]
    log_file: Path | None = None
