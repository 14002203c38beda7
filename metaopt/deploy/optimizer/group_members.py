"""An optimizer's parameters under the names that a rule knows them by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from metaopt.deploy.optimizer.parameters import ROLE, Group
from metaopt.deploy.optimizer.requirements import check_grad
from metaopt.parameter_roles import bare_name
from metaopt.shards import is_sharded, laid_as

#: Param-group key: whether to go up the gradient.
MAXIMIZE = "maximize"


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
