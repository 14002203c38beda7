"""Runs a black-box task: the user's own training function, handed a recipe."""

import math
from collections.abc import Iterator

import numpy as np

from metaopt.configuration import Configuration
from metaopt.contracts import BlackBoxTask, Curve
from metaopt.errors import InputError, named_line
from metaopt.recipe import Recipe


def run_black_box(task: BlackBoxTask, configuration: Configuration, seed: int) -> Curve:
    """The curve that `task.train` yields with a recipe of this configuration.

    A run without a value counts as diverged, and so does one with a value that is not finite.

    Raises:
        InputError: `train` raised, or yields something else than (step, value[, test value]) with whole, increasing
            steps.
    """
    rows = list(_rows(task, Recipe(configuration=configuration), seed)) or [(0, math.nan, math.nan)]
    steps, values, tests = (np.asarray(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return Curve(
        steps=steps,
        values=task.sign * values,
        horizon=int(task.num_steps or max(steps[-1], 1)),
        test=None if np.isnan(tests).all() else task.sign * tests,
    )


def _rows(task: BlackBoxTask, recipe: Recipe, seed: int) -> Iterator[tuple[float, float, float]]:
    last = -math.inf
    iterator = _guarded(task, lambda: iter(task.train(recipe, seed)))
    while True:
        row = _guarded(task, lambda: next(iterator, None))
        if row is None:
            return
        step, value, test = _parsed(task, row)
        if step <= last:
            raise InputError(f"Task {task.name!r} must yield increasing steps, got {step:g} after {last:g}.")
        last = step
        yield step, value, test


def _parsed(task: BlackBoxTask, row: object) -> tuple[float, float, float]:
    try:
        numbers = [float(number) for number in row]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (2, 3):
        raise InputError(f"Task {task.name!r} must yield (step, value) or (step, value, test value), got {row!r}.")
    if not numbers[0].is_integer():
        raise InputError(
            f"Task {task.name!r} must yield whole numbers of steps, got {numbers[0]!r}; count steps, not epochs."
        )
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else math.nan


def _guarded(task: BlackBoxTask, call):  # type: ignore[no-untyped-def]
    try:
        return call()
    except InputError:
        raise
    except Exception as error:  # a stranger's training code
        raise InputError(f"Task {task.name!r} failed in its train function: {named_line(error)}.") from error
