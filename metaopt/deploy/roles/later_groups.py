"""Param groups that join a library's class after it was made, with what their roles have."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch.optim import Optimizer

from metaopt.configuration import Assembly
from metaopt.deploy.optimizer.native_class import build_native
from metaopt.deploy.optimizer.parameters import as_groups, told_of_matrices, without_names
from metaopt.deploy.roles.role_groups import Places, check_group, cut_by_role


def completed(
    param_group: dict[str, Any], optimizer: Optimizer, assembly: Assembly, maximize: bool
) -> Iterator[Optimizer]:
    """Classes over a group alone, one for each role that it states or that its parameters have by their shapes.

    Args:
        param_group: as users write it.
        optimizer: which it shall join; where its parameters have no names those of the group are dropped.
        assembly: what the optimizer runs.
        maximize: what the optimizer was made with.

    Raises:
        InputError: a stated hyperparameter is not valid, or the role's optimizer does not take the parameters.
    """
    groups = told_of_matrices(cut_by_role(as_groups([param_group]), assembly, Places()), assembly)
    for group in groups:
        check_group(assembly, group)
    is_named = "param_names" in optimizer.param_groups[0]
    for group in groups if is_named else without_names(groups):
        yield build_native(assembly, [group], maximize=maximize)


def join_by_role(optimizer: Optimizer, assembly: Assembly, maximize: bool) -> None:
    """Have groups that join one class later get entries of roles and of matrices; copies do not, as with hooks."""
    optimizer.add_param_group = partial(_join, optimizer, assembly, maximize)  # type: ignore[method-assign]


def _join(optimizer: Optimizer, assembly: Assembly, maximize: bool, param_group: dict[str, Any]) -> None:
    for alone in list(completed(param_group, optimizer, assembly, maximize)):
        type(optimizer).add_param_group(optimizer, alone.param_groups[0])
