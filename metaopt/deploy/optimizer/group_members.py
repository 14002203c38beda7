"""Param groups as a rule sees them: parameters under names of their own, hyperparameters as 0-d tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.parameters import (
    MAXIMIZE,
    ROLE,
    Group,
    check_structural,
    distributions,
    group_values,
    packed,
    plain_value,
)
from metaopt.deploy.optimizer.requirements import check_grad
from metaopt.parameter_roles import bare_name
from metaopt.shards import is_sharded, laid_as

_CPU = torch.device("cpu")


@dataclass(slots=True)
class GroupMember:
    """A parameter in a param group.

    Attributes:
        name: unique in the optimizer.
        param: the tensor.
        index: its group's place among the optimizer's.
        group: its group.
    """

    name: str
    param: Tensor
    index: int
    group: Group

    def gradient(self) -> Tensor:
        """The gradient to descend along, detached; negated where the group maximizes.

        Raises:
            InputError: the gradient is sparse.
        """
        assert self.param.grad is not None
        grad = check_grad(self.name, self.param.grad)
        if type(grad) is not Tensor and is_sharded(grad):
            grad = laid_as(grad, self.param)  # under tensor parallelism it may be summands yet to be added
        return -grad if self.group[MAXIMIZE] else grad


@final
class KnownMembers:
    """The members of param groups, made anew only when the groups or what they hold are others."""

    def __init__(self) -> None:
        self._seen: list[int] = []
        self._members: list[GroupMember] = []

    def of(self, groups: Sequence[Group]) -> list[GroupMember]:
        """As `group_members`."""
        seen = [id(value) for group in groups for value in (group, group.get("param_names"), *group["params"])]
        if seen != self._seen:
            self._members = list(group_members(groups))
            self._seen = seen
        return self._members


@dataclass(slots=True)
class _Numbers:
    raw: tuple[Any, ...]
    hparams: dict[str, Tensor]
    vectors: dict[torch.device, Tensor]


@final
class GroupNumbers:
    """The numbers that a rule sees of each param group, made anew only when the group's values change.

    Numbers are float64, so that `1 - beta ** step` is exact to the last digit that matters in float32.

    Args:
        assembly: the rule and its spaces.
    """

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._spaces = {spec.name: distributions(assembly.part(spec.name)) for spec in assembly.optimizers}
        self._keys = {spec.name: tuple(packed(assembly.part(spec.name))) for spec in assembly.optimizers}
        self._known: dict[int, _Numbers] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Hyperparameters in the order of the vector, of the assembly's own optimizer."""
        return tuple(self._spaces[self._assembly.optimizer.name])

    def hparams(self, index: int, group: Group) -> dict[str, Tensor]:
        """0-d tensors by name for the param group at `index`."""
        return self._refreshed(index, group).hparams

    def vector(self, index: int, group: Group, device: torch.device) -> Tensor:
        """The same numbers on a device, shape `(len(names),)`."""
        vectors = self._refreshed(index, group).vectors
        if device not in vectors:
            vectors[device] = vectors[_CPU].to(device)
        return vectors[device]

    def _refreshed(self, index: int, group: Group) -> _Numbers:
        own = self._assembly.at(group.get(ROLE)) if self._assembly.others else self._assembly
        raw = tuple([plain_value(group[key]) for key in self._keys[own.optimizer.name]])
        known = self._known.get(index)
        if known is None or known.raw != raw:
            values, spaces = group_values(own, group), self._spaces[own.optimizer.name]
            check_structural(own, values)
            numbers = [distribution.encode(values[name]) for name, distribution in spaces.items()]
            vector = torch.tensor(numbers, dtype=torch.float64)
            known = _Numbers(raw, dict(zip(spaces, vector.unbind(), strict=True)), {_CPU: vector})
            self._known[index] = known
        return known


def group_members(groups: Sequence[Group]) -> Iterator[GroupMember]:
    """All parameters, named as their groups name them (made unique), without what wrappers put in, or by position."""
    taken: set[str] = set()
    position = 0
    for index, group in enumerate(groups):
        names = group.get("param_names")
        for place, param in enumerate(group["params"]):
            name = str(position) if names is None else bare_name(names[place])
            if name in taken:
                name = f"{name}#{position}"
            taken.add(name)
            position += 1
            yield GroupMember(name, param, index, group)


def stated_roles(groups: Sequence[Group]) -> dict[str, str]:
    """The roles that groups state, by the names of their parameters."""
    return {member.name: member.group[ROLE] for member in group_members(groups) if ROLE in member.group}
