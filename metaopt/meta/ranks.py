"""Several processes on one meta-training, by `torch.distributed`: each computes a share, and all have all results."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from metaopt.errors import InputError


@dataclass(frozen=True)
class Ranks:
    """This process among those of the default group.

    Attributes:
        rank: its number; 0 alone writes to the disk.
        world: how many there are; 1 where `torch.distributed` is not initialised.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def current(cls) -> "Ranks":
        """This process in the default group."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    def share(self, count: int) -> slice:
        """The rows that are this process's to compute.

        Raises:
            InputError: they cannot be shared evenly.
        """
        if count % self.world:
            raise InputError(
                f"{count} pairs of trainings cannot be shared by {self.world} processes; make episodes_per_iteration a "
                f"multiple of {self.world}."
            )
        each = count // self.world
        return slice(self.rank * each, (self.rank + 1) * each)

    def gathered(self, own: Tensor) -> Tensor:
        """The pairs' rows of all processes in order: first those of all first halves, then those of the second ones.

        Args:
            own: rows of this process, shape (2 · pairs of this process, …).
        """
        if self.world == 1:
            return own
        parts = [torch.empty_like(own, memory_format=torch.contiguous_format) for _ in range(self.world)]
        dist.all_gather(parts, own.contiguous())
        halves = [part.unflatten(0, (2, -1)) for part in parts]
        return torch.cat(halves, dim=1).flatten(0, 1)
