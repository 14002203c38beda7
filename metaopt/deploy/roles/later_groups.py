"""Param groups that join a library's class after it was made, with what their roles have."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, final

from torch.optim import Optimizer

from metaopt.configuration import Assembly, Configuration, assemble
from metaopt.deploy.optimizer.classes.native_class import build_native
from metaopt.deploy.optimizer.parameters import without_names
from metaopt.deploy.roles.role_groups import Places, groups_that_join
from metaopt.plugin import current_registry


def completed(
    param_group: dict[str, Any], optimizer: Optimizer, assembly: Assembly, places: Places, maximize: bool
) -> Iterator[Optimizer]:
    """Classes over a group alone, one for each role that it states or that its parameters have.

    Args:
        param_group: as users write it.
        optimizer: which it shall join; where its parameters have no names those of the group are dropped.
        assembly: what the optimizer runs.
        places: of the model that the optimizer was made for; other parameters have the role of their shapes.
        maximize: what the optimizer was made with.

    Raises:
        InputError: a stated hyperparameter is not valid, or the role's optimizer does not take the parameters.
    """
    groups = groups_that_join(param_group, assembly, places)
    is_named = "param_names" in optimizer.param_groups[0]
    for group in groups if is_named else without_names(groups):
        yield build_native(assembly, [group], maximize=maximize)


def join_by_role(optimizer: Optimizer, assembly: Assembly, places: Places, maximize: bool) -> None:
    """Have groups that join one class later get what their roles have, are spared, and must be told; copies do too.

    The optimizer's class becomes one below the library's, of the same name. A copy no longer knows the places of the
    model's frozen parameters.
    """
    kind: Any = type(optimizer)
    optimizer.__class__ = _joining_class(kind)
    optimizer.__dict__["_joining"] = _Joining(assembly, places, maximize)


@final
@dataclass(frozen=True)
class _Joining:
    """What an optimizer was made with; a copy finds its plugins again and knows no places."""

    assembly: Assembly
    places: Places = field(default_factory=Places)
    maximize: bool = False

    def __reduce__(self) -> tuple[Callable[..., "_Joining"], tuple[Any, ...]]:
        return _assembled, (self.assembly.configuration.to_json(), self.maximize)


def _assembled(configuration: dict[str, Any], maximize: bool) -> _Joining:
    return _Joining(assemble(Configuration.from_json(configuration), current_registry()), maximize=maximize)


@cache
def _joining_class(kind: Any) -> Any:
    """A class below a library's whose later groups are completed, and whose copies are of it, too."""

    class Joining(kind):  # type: ignore[misc]
        def add_param_group(self, param_group: dict[str, Any]) -> None:
            """Add parameters; what the group does not state is that of its role, found as for the first groups."""
            joining = self.__dict__.get("_joining")
            if joining is None:  # one of those that the class is made for
                super().add_param_group(param_group)
                return
            for alone in list(completed(param_group, self, joining.assembly, joining.places, joining.maximize)):
                super().add_param_group(alone.param_groups[0])

        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
            state: Any = self.__getstate__()
            return _empty, (kind,), {**state, "_joining": self.__dict__["_joining"]}

        def __reduce_ex__(self, protocol: Any) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
            return self.__reduce__()

    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(Joining, name, getattr(kind, name))
    return Joining


def _empty(kind: Any) -> Optimizer:
    """An optimizer without groups and state, which a copy's are put into."""
    joining = _joining_class(kind)
    empty: Optimizer = joining.__new__(joining)
    return empty
