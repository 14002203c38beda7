"""A sweep of rates on a task of a corpus: whole trainings side by side."""

import time
from collections.abc import Callable
from dataclasses import replace

from metaopt.configuration import ANCHORED, Assembly, assemble
from metaopt.contracts import REDRAWN, AnyTask, FewShotTask, Task
from metaopt.errors import InputError
from metaopt.inner import Graphs
from metaopt.plugin import Registry
from metaopt.recipe import Recipe
from metaopt.tuning.judging.references import final_value
from metaopt.tuning.rate_sweep.shifted import check_has_rate, exponent, octaves_around, shifted
from metaopt.tuning.rate_sweep.sweep import RateSweep
from metaopt.tuning.running.progress import duration
from metaopt.tuning.running.trainings import run_task


def sweep_task(
    task: AnyTask,
    recipe: Recipe,
    *,
    registry: Registry,
    octaves: int = 4,
    num_seeds: int = 3,
    num_steps: int | None = None,
    announce: Callable[[str], None] | None = None,
) -> RateSweep:
    """Train a task at the recipe's rate and at rates octaves around it, each with several seeds.

    Args:
        task: supervised, or a black box.
        recipe: whose optimizer, controller and hyperparameters; its stopper stays out.
        registry: where plugins are.
        octaves: how far rates go to either side: from 2^-octaves to 2^octaves times the recipe's.
        num_seeds: trainings of each rate.
        num_steps: steps of each training; those of the task if left out. A black box has its own.
        announce: takes a sentence on how many trainings there are, and after the first seed how long the others take.

    Raises:
        InputError: the recipe has no rate, the task is one of few-shot learning, or its own code failed.
    """
    if isinstance(task, FewShotTask):
        raise InputError(f"Task {task.name!r} is one of few-shot learning, whose rates are learned: name another task.")
    configuration = recipe.configuration
    task = task.with_values(configuration.values) if isinstance(task, Task) else task
    total_steps = task.num_steps
    if num_steps is not None and isinstance(task, Task):
        task = replace(
            task, data=task.splits, num_steps=num_steps, num_validations=min(task.num_validations, num_steps)
        )
    scale = task.scale if isinstance(task, Task) else ANCHORED
    stated = assemble(configuration, registry, scale)
    check_has_rate(stated)
    steps = octaves_around(octaves)
    assemblies = [assemble(shifted(configuration, octave, registry), registry, scale) for octave in steps]
    engine = "population" if isinstance(task, Task) and Graphs().loop_reason(task) is None else "loop"
    columns, tell = [], announce or (lambda line: None)
    how_long = f" of {task.num_steps:,} steps" if isinstance(task, Task) else ""
    tell(f"{task.name}: {len(assemblies)} rates × {num_seeds} seeds, {len(assemblies) * num_seeds} trainings{how_long}")
    began = time.monotonic()
    for seed in _seeds(task, num_seeds):  # what trains side by side sees the same rows
        curves = run_task(task, [(assembly, seed) for assembly in assemblies], engine)
        columns.append([final_value(curve) for curve, _ in curves])
        last = int(curves[0][0].steps[-1])
        if len(columns) == 1 and num_seeds > 1:
            seconds = time.monotonic() - began
            left = duration((num_seeds - 1) * seconds)
            tell(f"{task.name}: the first seed took {duration(seconds)}; about {left} to go")
    wanted = replace(scale, total_steps=total_steps) if isinstance(task, Task) else scale
    return RateSweep(
        tuple(_rate(assembly) for assembly in assemblies),
        tuple(zip(*columns, strict=True)),
        "the best validation",
        task.num_steps or last,
        total_steps or last,
        _rate(assemble(configuration, registry, wanted)),
        exponent(configuration),
    )


def _seeds(task: AnyTask, count: int) -> range:
    """Seeds with rows of their own where rows are few, so that what they tell apart is more than luck of a division."""
    first = REDRAWN if isinstance(task, Task) and task.is_redrawn else 0
    return range(first, first + count)


def _rate(assembly: Assembly) -> float:
    return next(float(assembly.part(spec.name).rule_values["lr"]) for spec in assembly.optimizers if spec.has_lr)
