"""Parameters of a population laid out in flat buffers of shape (members, coordinates)."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor, nn

from metaopt.contracts import Params
from metaopt.parameter_roles import layers_above, roles_on

#: One buffer of shape (members, coordinates) for each dtype of a model, usually one.
Flats: TypeAlias = dict[str, Tensor]


class Layout:
    """Which columns of the flat buffers hold which parameter: those that get weight decay first, then the others.

    Rules that act on coordinates update whole buffers at once, others the named views; both are the same memory.
    Parameters that do not require gradients take no part.

    Args:
        module: any model of the task.
        example: inputs that the model takes, which show what sees them first; modules and shapes alone if left out.

    Attributes:
        shapes: of the parameters, by name.
        names: of the parameters, by buffer, in the order of the columns.
    """

    def __init__(self, module: nn.Module, example: Tensor | None = None) -> None:
        self._module, self._example = module, example
        params = {name: param for name, param in module.named_parameters() if param.requires_grad}
        self.shapes = {name: param.shape for name, param in params.items()}
        self.names: dict[str, list[str]] = {}
        for name, param in sorted(params.items(), key=lambda item: item[1].ndim <= 1):
            self.names.setdefault(str(param.dtype).removeprefix("torch."), []).append(name)
        self._spared = frozenset(name for name, param in params.items() if param.ndim <= 1)

    @cached_property
    def roles(self) -> dict[str, str]:
        """By name, those of frozen parameters too; see `metaopt.roles`."""
        return roles_on(self._module, self._example)

    @cached_property
    def layers_above(self) -> dict[str, int]:
        """By name, of all parameters."""
        return layers_above(self._module, self.roles)

    @property
    def num_coordinates(self) -> int:
        """Numbers in one member's parameters."""
        return sum(self._sizes().values())

    def num_decayed(self, key: str) -> int:
        """Leading columns of a buffer that get weight decay."""
        sizes = self._sizes()
        return sum(sizes[name] for name in self.names[key] if name not in self._spared)

    def spares(self, name: str) -> bool:
        """Whether a parameter gets no weight decay."""
        return name in self._spared

    def stack(self, members: Sequence[Mapping[str, Tensor]]) -> Flats:
        """Buffers that hold copies of each member's parameters by name."""
        return {key: torch.stack([_row(member, names) for member in members]) for key, names in self.names.items()}

    def split(self, flats: Params) -> dict[str, Tensor]:
        """Named views, of shape (members, *shape), in the model's order."""
        views: dict[str, Tensor] = {}
        sizes = self._sizes()
        for key, names in self.names.items():
            parts = flats[key].split([sizes[name] for name in names], dim=1)
            for name, part in zip(names, parts, strict=True):
                views[name] = part.unflatten(1, self.shapes[name]) if self.shapes[name] else part.squeeze(1)
        return {name: views[name] for name in self.shapes}

    def join(self, named: Mapping[str, Tensor]) -> Flats:
        """Inverse of `split`, by copy."""
        return {
            key: torch.cat([named[name].reshape(len(named[name]), -1) for name in names], dim=1)
            for key, names in self.names.items()
        }

    def cut(self, flats: Params, ends: Mapping[str, int]) -> dict[str, Tensor]:
        """`split`, under the signature of `cut_where_decay_ends`."""
        return self.split(flats)

    def _sizes(self) -> dict[str, int]:
        return {name: math.prod(shape) for name, shape in self.shapes.items()}


def cut_where_decay_ends(flats: Params, ends: Mapping[str, int]) -> dict[str, Tensor]:
    """Buffers in at most two parts each, `"<key> decayed"` and `"<key> spared"`, views; empty parts are left out.

    Args:
        flats: of shape (members, coordinates).
        ends: for each buffer, the number of leading columns that get weight decay.
    """
    parts = {}
    for key, flat in flats.items():
        if ends[key] > 0:
            parts[f"{key} decayed"] = flat[:, : ends[key]]
        if ends[key] < flat.shape[1]:
            parts[f"{key} spared"] = flat[:, ends[key] :]
    return parts


def joined_where_decay_ends(parts: Mapping[str, Tensor]) -> Flats:
    """Inverse of `cut_where_decay_ends`, by copy."""
    rows: dict[str, list[Tensor]] = {}
    for name in sorted(parts):
        rows.setdefault(name.rpartition(" ")[0], []).append(parts[name])
    return {key: torch.cat(columns, dim=1) for key, columns in rows.items()}


def is_spared_part(name: str) -> bool:
    """Whether a part that `cut_where_decay_ends` gives gets no weight decay."""
    return name.endswith(" spared")


def _row(member: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    return torch.cat([member[name].detach().reshape(-1) for name in names])
