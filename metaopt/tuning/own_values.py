"""Hyperparameters that tasks have of their own, beside those of plugins: what a study searches of them, and where."""

from collections.abc import Mapping, Sequence
from typing import Any

from metaopt.configuration import Configuration
from metaopt.contracts import AnyTask, BlackBoxTask, Task, own_values
from metaopt.errors import InputError, listed, quoted
from metaopt.space import Distribution, Space, Value, ordered

#: What their names begin with in `--set` and in the sampler, as a plugin's hyperparameters begin with its name.
OWN = "values"


def space_of(task: AnyTask) -> Space:
    """What a task has of its own; few-shot tasks have nothing."""
    return task.space if isinstance(task, Task | BlackBoxTask) else {}


def own_space(tasks: Sequence[AnyTask]) -> dict[str, Distribution]:
    """The hyperparameters of several tasks; those of one name are one.

    Raises:
        InputError: two tasks declare one name differently.
    """
    space: dict[str, Distribution] = {}
    owners: dict[str, str] = {}
    for task in tasks:
        for name, distribution in space_of(task).items():
            if space.setdefault(name, distribution) != distribution:
                raise InputError(
                    f"Tasks {quoted(owners[name])} and {quoted(task.name)} declare their hyperparameter {quoted(name)} "
                    f"differently, {quoted(space[name])} and {quoted(distribution)}; declare it alike, for tasks of a "
                    "corpus share what has one name, or rename one."
                )
            owners.setdefault(name, task.name)
    ordered(space)
    return space


def own_account(tasks: Sequence[AnyTask]) -> str:
    """A line that says what is searched beside the plugins, and which tasks have it; empty where none has anything."""
    parts = []
    for name in own_space(tasks):
        owners = [task.name for task in tasks if name in space_of(task)]
        where = "" if len(owners) == len(tasks) else f" (of {listed(owners)} alone; no other task changes with it)"
        parts.append(f"{name}{where}")
    return f"Searched beside the optimizer: {', '.join(parts)}." if parts else ""


def check_values(configurations: Sequence[Configuration], tasks: Sequence[AnyTask], where: str) -> None:
    """Refuse values that tasks do not allow.

    Args:
        configurations: that state them.
        tasks: that they shall train.
        where: whose values they are, for the message.

    Raises:
        InputError: a value is not valid.
    """
    for configuration in configurations:
        for task in tasks:
            try:
                own_values(task.name, space_of(task), configuration.values)
            except InputError as error:
                raise InputError(f"{where} cannot train here: {error}") from None


def without_effect(configuration: Configuration, tasks: Sequence[AnyTask]) -> list[str]:
    """Names that a configuration states and no task has."""
    return [name for name in configuration.values if not any(name in space_of(task) for task in tasks)]


def stated(configuration: Configuration, space: Space) -> dict[str, Value]:
    """A configuration's values of the space, defaults where it states none, by their full names."""
    values: dict[str, Any] = {name: configuration.values.get(name, each.default) for name, each in space.items()}
    return prefixed(values)


def prefixed(values: Mapping[str, Value]) -> dict[str, Value]:
    """Values by their full names."""
    return {f"{OWN}.{name}": value for name, value in values.items()}
