"""Runs a black-box task: the user's own training function, handed a recipe."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from metaopt.configuration import Configuration
from metaopt.contracts import BlackBoxTask, Curve, own_values
from metaopt.errors import InputError, named_line, quoted
from metaopt.recipe import Recipe
from metaopt.space import Value

#: What `float` takes and is no measurement.
_NO_NUMBERS = (str, bytes, bool, np.bool_)
_END = object()


def run_black_box(task: BlackBoxTask, configuration: Configuration, seed: int) -> Curve:
    """The curve that `task.train` yields with a recipe of this configuration, and with its values of the task's own.

    A run without a value counts as diverged, and so does one with a value that is not finite.

    Raises:
        InputError: `train` raised, or yields something else than (step, value[, test value]) with whole, increasing
            steps from 0 on.
    """
    own = own_values(task.name, task.space, configuration.values)
    recipe = Recipe(replace(configuration, values=own) if own else configuration)
    rows = list(_rows(task, recipe, seed, own)) or [(0, math.nan, math.nan)]
    steps, values, tests = (np.asarray(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return Curve(
        steps=steps,
        values=task.sign * values,
        horizon=int(task.num_steps or max(steps[-1], 1)),
        test=None if np.isnan(tests).all() else task.sign * tests,
    )


def _rows(
    task: BlackBoxTask, recipe: Recipe, seed: int, own: Mapping[str, Value]
) -> Iterator[tuple[float, float, float]]:
    last = -1.0
    iterator = _guarded(task, lambda: _iterator(task, task.train(recipe, seed, **own)))
    while True:
        row = _guarded(task, lambda: next(iterator, _END))
        if row is _END:
            return
        step, value, test = _parsed(task, row)
        if step <= last:
            fault = f"got {step:g} after {last:g}" if last >= 0 else f"got {step:g}; the first is 0 or later"
            raise InputError(f"Task {task.name!r} must yield increasing steps, {fault}.")
        last = step
        yield step, value, test


def _iterator(task: BlackBoxTask, yielded: Any) -> Iterator[Any]:
    if not isinstance(yielded, Iterable) or isinstance(yielded, str | bytes | Mapping):
        raise InputError(
            f"Task {task.name!r} must yield (step, value), and its train function returned {_shown(yielded)}; "
            "use yield, or return a list of them."
        )
    return iter(yielded)


def _parsed(task: BlackBoxTask, row: Any) -> tuple[float, float, float]:
    numbers = _numbers(row)
    if len(numbers) not in (2, 3):
        raise InputError(
            f"Task {task.name!r} must yield (step, value) or (step, value, test value), got {_shown(row)}; all of them "
            "are numbers."
        )
    if not numbers[0].is_integer():
        raise InputError(
            f"Task {task.name!r} must yield whole numbers of steps, got {quoted(numbers[0])}; count steps, not epochs."
        )
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else math.nan


def _numbers(row: Any) -> list[float]:
    """The row's numbers; none where it is something else: a text or a truth value is no measurement."""
    if isinstance(row, str | bytes | Mapping | Set) or not isinstance(row, Iterable):
        return []
    try:
        cells = [cell.item() if isinstance(cell, Tensor) else cell for cell in row]
        return [] if any(isinstance(cell, _NO_NUMBERS) for cell in cells) else [float(cell) for cell in cells]
    except Exception:  # whatever a stranger's __iter__ and __float__ raise
        return []


def _shown(value: Any) -> str:
    try:
        return f"{quoted(value)}"
    except Exception:  # a stranger's __repr__
        return f"a {type(value).__name__}"


def _guarded(task: BlackBoxTask, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # a stranger's training code
        raise InputError(f"Task {task.name!r} failed in its train function: {named_line(error)}.") from error
