"""Hyperparameters of a task's own, such as a dropout: declared by the task, and given to its functions by name."""

import inspect
import keyword
from collections.abc import Callable, Mapping
from typing import Any

from metaopt.errors import InputError, listed, quoted
from metaopt.space import Categorical, Float, Int, Space, Value, ordered, plain, resolve


def checked_space(task: str, space: object) -> dict[str, Float | Int | Categorical]:
    """The space of a task's own hyperparameters.

    Args:
        task: its name, for messages.
        space: whatever was given for it.

    Raises:
        InputError: it is no mapping, a name is none that a function can take, a distribution is none, or a choice is no
            number, truth value or text.
    """
    where = f"Task {quoted(task)}: space"
    if not isinstance(space, Mapping):
        raise InputError(f"{where} maps names to Float, Int or Categorical, got {quoted(space)}.")
    for name, distribution in space.items():
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise InputError(f"{where} has names that a function can take as keywords, got {quoted(name)}.")
        if not isinstance(distribution, Float | Int | Categorical):
            raise InputError(
                f"{where}[{quoted(name)}] must be a Float, Int or Categorical, got {quoted(distribution)}."
            )
        if isinstance(distribution, Categorical):
            for choice in distribution.choices:
                if not isinstance(plain(choice), bool | int | float | str):
                    raise InputError(
                        f"{where}[{quoted(name)}]: choices are numbers, truth values or texts, got {quoted(choice)}; "
                        "choose among names of what you mean."
                    )
    try:
        ordered(space)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return dict(space)


def own_values(task: str, space: Space, stated: Mapping[str, Value]) -> dict[str, Value]:
    """A value for each hyperparameter of a task: the stated one, else its default; values of other tasks are left out.

    Args:
        task: its name, for messages.
        space: of the task.
        stated: by name.

    Raises:
        InputError: a stated value is not valid.
    """
    return resolve(space, {name: value for name, value in stated.items() if name in space}, f"Task {quoted(task)}")


def taken(function: Callable[..., Any], values: Mapping[str, Value]) -> dict[str, Value]:
    """Those of the values that a function takes by name."""
    parameters = _parameters(function)
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(values)
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    return {name: value for name, value in values.items() if name in parameters and parameters[name].kind in kinds}


def check_taken(task: str, space: Space, functions: Mapping[str, Callable[..., Any]]) -> None:
    """Refuse hyperparameters that none of the functions takes.

    Raises:
        InputError: there is such a one.
    """
    for name in space:
        if not any(taken(function, {name: 0}) for function in functions.values()):
            raise InputError(
                f"Task {quoted(task)}: nothing takes {quoted(name)} of its space; give a parameter of that name to "
                f"{' or '.join(functions)}."
            )


def check_train(task: str, space: Space, train: Callable[..., Any]) -> None:
    """Refuse a training function that cannot be called with a recipe, a seed and the hyperparameters by name.

    Raises:
        InputError: it cannot.
    """
    try:
        signature = inspect.signature(train)
    except (TypeError, ValueError):  # compiled code does not say what it takes
        return
    try:
        signature.bind(None, 0, **dict.fromkeys(space))
    except TypeError as error:
        wanted = ", ".join(["recipe", "seed", *(["*", *space] if space else [])])
        lacking = f" and {listed(space)} by name" if space else ""
        raise InputError(
            f"Task {quoted(task)}: train is given a recipe, a seed{lacking}, and {error}; write def train({wanted}), "
            "or state in space what it takes beside them."
        ) from None


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # compiled code does not say what it takes
        return {}
