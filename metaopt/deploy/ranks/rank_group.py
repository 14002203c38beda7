"""The processes that train one model together, and what each of them tells the others in one collective."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, final
from zlib import crc32

import torch
import torch.distributed as dist
from torch import Tensor, nn

from metaopt.deploy.sharding.obstacles import flattened_modules
from metaopt.errors import InputError, RankError, named_line, quoted

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

#: What `recipe.bind` takes: the default group where one is up, none, or this one.
Distributed: TypeAlias = "ProcessGroup | Literal['auto'] | None"

#: Numbers of a row come in multiples of this, so that rows of different calls meet and can be told apart.
LENGTH = 16
#: Numbers of a row before those that a call tells: call, step, run, and whether the rank has joined already.
_HEADER = 4


class Call(Enum):
    """The calls of a run in which ranks meet."""

    LOSS = "run.record_loss(...)"
    OBSERVE = "run.observe(...)"
    WEIGHTS = "run.observe(...), at the weights,"
    GRADIENTS = "run.optimizer.step()"
    JOINED = "the end of Join([model, run])"


@final
class RankGroup:
    """The processes of a group. Each collective has the group's timeout, and an error names the rank and the call.

    Copies share the group. One that is unpickled meets the default group of its process, or none.

    Args:
        group: of which this process is a member.
        run: a number that one run has on all ranks, and hardly another.
        is_default: whether it is what `distributed="auto"` found.

    Attributes:
        group: the process group.
        rank: the number of this process in it.
        size: how many there are.
    """

    def __init__(self, group: "ProcessGroup", run: int = 0, *, is_default: bool = False) -> None:
        self.group, self._run, self._is_default = group, run, is_default
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)

    @classmethod
    def of(cls, distributed: Distributed, model: Any = None, names: Iterable[str] = ()) -> Self | None:
        """Those that a run agrees with, or None for a process that trains alone.

        Args:
            distributed: `"auto"` (those over which a `DistributedDataParallel` averages gradients, else the default
                group, where `torch.distributed` is initialised with more than one process), None or a group.
            model: what is trained.
            names: of its parameters.

        Raises:
            InputError: it is something else, or a group that this process is not a member of.
        """
        if distributed is None:
            return None
        is_auto = isinstance(distributed, str) and distributed == "auto"
        group = _default_group(model) if is_auto else _checked(distributed)
        if group is None or dist.get_world_size(group) < 2:
            return None
        run = crc32("\n".join([type(model).__name__, *names]).encode())
        return cls(group, run, is_default=is_auto and group == dist.group.WORLD)

    def of_parts(self, model: Any) -> Self | None:
        """Those among whom `FullyShardedDataParallel` has divided the gradients of a model, or None."""
        for module in flattened_modules(model) if isinstance(model, nn.Module) else ():
            whole = module.sharding_strategy.name == "NO_SHARD"
            return None if whole else type(self)(module.process_group, self._run)
        return None

    @property
    def device(self) -> torch.device:
        """Where the group's collectives take their tensors from."""
        kinds = [backend.split(":")[0] for backend in dist.get_backend_config(self.group).split(",")]
        if "cpu" in kinds:
            return torch.device("cpu")
        return torch.device(kinds[0], torch.get_device_module(kinds[0]).current_device())

    def gathered(
        self, call: Call, step: int, numbers: Sequence[float | Tensor], *, has_joined: bool = False
    ) -> dict[int, list[float]]:
        """What each rank tells in this call, by rank and in their order; those that have joined are left out.

        Args:
            call: which it is.
            step: training steps completed.
            numbers: what this rank tells, as many as others; tensors are 0-d.
            has_joined: whether this rank has no more batches, and only keeps the others company (see `Join`).

        Raises:
            RankError: a rank does something else, is late or gone.
        """
        row = self._row([float(list(Call).index(call)), float(step), float(self._run), float(has_joined), *numbers])
        rows = [torch.empty_like(row) for _ in range(self.size)]
        where = f"rank {self.rank}, {call.value} at step {step}"
        told = self.meet(where, lambda: _gathered(rows, row, self.group))
        present = [(rank, numbers) for rank, numbers in enumerate(told) if not numbers[3]]
        for rank, (other, at, run, *_) in present if not has_joined else ():
            if (other, at, run) != tuple(told[self.rank][:3]):
                there = f"{list(Call)[int(other)].value} at step {int(at)}"
                of_other = " of another run" if run != self._run else ""
                raise RankError(
                    f"{where}: rank {rank} is in {there}{of_other}; every rank makes the same calls in the same order."
                )
        return {rank: numbers[_HEADER:] for rank, numbers in present}

    def meet(self, where: str, collective: Callable[[], Any]) -> Any:
        """What a collective returns; `RankError` where it fails."""
        try:
            return collective()
        except (RuntimeError, ValueError) as error:  # a timeout, a lost connection, a group that was destroyed
            raise RankError(
                f"{where}: the ranks did not come together within the group's timeout ({named_line(error, 120)}); each "
                "of them makes this call, and one may have stopped before: look at its output."
            ) from error

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._is_default:
            raise InputError(
                "A run that agrees over a process group of its own cannot be pickled, since groups cannot: save "
                "run.state_dict() in its place."
            )
        return _found_again, (self._run,)

    def _row(self, numbers: Sequence[float | Tensor]) -> Tensor:
        plain = [0.0 if isinstance(number, Tensor) else number for number in numbers]
        row = torch.tensor([*plain, *[0.0] * (-len(plain) % LENGTH)], dtype=torch.float64).to(self.device)
        for place, number in enumerate(numbers):
            if isinstance(number, Tensor):
                row[place].copy_(number)
        return row


def _found_again(run: int) -> RankGroup | None:
    group = _default_group(None)
    return None if group is None or dist.get_world_size(group) < 2 else RankGroup(group, run, is_default=True)


def _gathered(rows: list[Tensor], row: Tensor, group: Any) -> list[list[float]]:
    dist.all_gather(rows, row, group=group)
    told: list[list[float]] = torch.stack(rows).tolist()
    return told


def _default_group(model: Any) -> Any:
    """The group over which a model's gradients are averaged, or None where no process group is up."""
    if not (dist.is_available() and dist.is_initialized()):
        return None
    wrapper = averaging_module(model)
    return dist.group.WORLD if wrapper is None else wrapper.process_group


def averaging_module(model: Any) -> nn.parallel.DistributedDataParallel | None:
    """The part of a model, or what wraps it, that averages gradients over ranks."""
    modules = model.modules() if isinstance(model, nn.Module) else ()
    return next((module for module in modules if isinstance(module, nn.parallel.DistributedDataParallel)), None)


def _checked(distributed: Any) -> Any:
    if dist.is_available():
        if isinstance(distributed, int) and distributed == dist.GroupMember.NON_GROUP_MEMBER:
            raise InputError(
                "This process is no member of the group given as distributed=; bind on the members alone, or pass None."
            )
        if isinstance(distributed, dist.ProcessGroup):
            return distributed
    raise InputError(
        "distributed must be 'auto', None or a torch.distributed.ProcessGroup (of a mesh, mesh.get_group()), got "
        f"{quoted(distributed)}."
    )
