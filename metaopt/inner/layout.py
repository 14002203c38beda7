"""Parameters of a population laid out in flat buffers, one for each treatment of weight decay."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class Layout:
    """Flat (members, coordinates) buffers and the named views into them.

    Rules that act on coordinates update a whole buffer at once, others the named views; both are the same memory.

    Args:
        members: for each member its parameters by name, equal names and shapes.
        spared: names that get no weight decay.
    """

    def __init__(self, members: Sequence[Mapping[str, Tensor]], spared: frozenset[str]) -> None:
        names = list(members[0])
        kinds = {"decayed": [n for n in names if n not in spared], "spared": [n for n in names if n in spared]}
        self.shapes = {name: members[0][name].shape for name in names}
        self.names_by_buffer: dict[str, list[str]] = {kind: found for kind, found in kinds.items() if found}
        self.buffer_of = {name: kind for kind, found in self.names_by_buffer.items() for name in found}
        self.buffers = {
            kind: torch.stack([_flat(member, found) for member in members])
            for kind, found in self.names_by_buffer.items()
        }
        self.views = self.split(self.buffers)

    @property
    def num_coordinates(self) -> int:
        """Numbers in one member's parameters."""
        return sum(buffer.shape[1] for buffer in self.buffers.values())

    def split(self, buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Named views, of shape (members, *shape), into buffers of shape (members, coordinates)."""
        views: dict[str, Tensor] = {}
        for kind, names in self.names_by_buffer.items():
            parts = buffers[kind].split([math.prod(self.shapes[name]) for name in names], dim=1)
            for name, part in zip(names, parts, strict=True):
                views[name] = part.view(part.shape[0], *self.shapes[name])
        return {name: views[name] for name in self.shapes}

    def join(self, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Inverse of `split`, by copy."""
        return {
            kind: torch.cat([named[name].flatten(1) for name in names], dim=1)
            for kind, names in self.names_by_buffer.items()
        }


def _flat(member: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    return torch.cat([member[name].detach().reshape(-1) for name in names])
