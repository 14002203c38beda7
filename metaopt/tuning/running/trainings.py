"""Trains the runs of one task, in this process or in a worker."""

import dataclasses
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import TypeAlias

import numpy as np

from metaopt.configuration import Assembly
from metaopt.contracts import AnyTask, BlackBoxTask, Curve, FewShotTask, Task
from metaopt.errors import InputError, MetaOptError, PluginError, named_line, quoted
from metaopt.inner import Compile, Graphs, Member, Workload, train
from metaopt.space import Value, defaults
from metaopt.tuning.running.black_box import run_black_box
from metaopt.tuning.running.learned_tasks import Weights, check_weights, run_few_shot, shipped_weights

#: A configuration, ready to run, and a seed.
SeededAssembly: TypeAlias = tuple[Assembly, int]


def run_task(
    task: AnyTask,
    runs: Sequence[SeededAssembly],
    engine: str,
    compile: Compile = "off",
    ahead: Workload | None = None,
    weights: Weights | None = None,
    signals: frozenset[str] = frozenset(),
    resampled: bool = False,
    graphs: Graphs | None = None,
) -> list[tuple[Curve, float]]:
    """Curve and seconds of each run of a task; `compile` and `ahead` as in `metaopt.inner.train`.

    Args:
        task: what to train.
        runs: of one configuration if there are weights, at the same values of what the task has of its own.
        engine: see `metaopt.inner.train`.
        compile: see `metaopt.inner.train`.
        ahead: see `metaopt.inner.train`.
        weights: that the configuration comes with.
        signals: see `metaopt.inner.train`.
        resampled: see `metaopt.inner.train`.
        graphs: see `metaopt.inner.train`; those of this process if left out, for workers cannot be sent any.

    Returns:
        One for each run. A task that fails at values of its own hyperparameters other than their defaults has diverged.

    Raises:
        InputError: the task's own code failed.

    Warns:
        RuntimeWarning: a task failed at such values.
    """
    try:
        return _trained(task, runs, engine, compile, ahead, weights, signals, resampled, graphs)
    except InputError as error:
        values = runs[0][0].configuration.values
        if isinstance(error, PluginError) or isinstance(task, FewShotTask) or not _differs(task, values):
            raise
        warnings.warn(
            f"A training counts as diverged: {error} Its own hyperparameters: {quoted(dict(values))}.",
            RuntimeWarning,
            stacklevel=2,
        )
        return [(_failed(task), 0.0)] * len(runs)


def _trained(
    task: AnyTask,
    runs: Sequence[SeededAssembly],
    engine: str,
    compile: Compile,
    ahead: Workload | None,
    weights: Weights | None,
    signals: frozenset[str],
    resampled: bool,
    graphs: Graphs | None,
) -> list[tuple[Curve, float]]:
    if isinstance(task, BlackBoxTask):
        return [_run_black_box(task, assembly, seed) for assembly, seed in runs]
    try:
        if isinstance(task, FewShotTask):
            return [run_few_shot(task, assembly, seed, weights) for assembly, seed in runs]
        task = task.with_values(runs[0][0].configuration.values)
        members = [Member(assembly, seed) for assembly, seed in runs]
        if weights is not None or any(one.learned or one.learner for one, _ in runs):
            weights = weights or shipped_weights(runs[0][0])
            for assembly, _ in runs:
                check_weights(assembly, task, weights)
        theta = None if weights is None else weights.theta
        run = partial(train, task, members, theta=theta, engine=engine, compile=compile, ahead=ahead)
        trained = run(signals=signals, resampled=resampled, graphs=graphs or _worker_graphs())
        return [(result.curve, result.seconds) for result in trained]
    except MetaOptError:
        raise
    except (Exception, SystemExit) as error:  # a stranger's model, data, loss or plugin
        raise InputError(f"Task {task.name!r} failed in training: {named_line(error)}.") from error


def _differs(task: Task | BlackBoxTask, values: Mapping[str, Value]) -> bool:
    """Whether values of what the task has of its own are other than the defaults."""
    usual = defaults(task.space)
    return any(name in usual and usual[name] != value for name, value in values.items())


def _failed(task: Task | BlackBoxTask) -> Curve:
    """The curve of a training that failed."""
    steps = task.validation_steps if isinstance(task, Task) else (0,)
    lost = np.full(len(steps), np.nan)
    series = {"train_loss": lost} if isinstance(task, Task) else {}
    tested = lost if isinstance(task, Task) else None
    return Curve(np.asarray(steps, dtype=np.float64), lost, task.num_steps or 1, tested, series)


@cache
def _worker_graphs() -> Graphs:
    """The graphs of a worker process, which ends with its study."""
    return Graphs()


def probe_task(task: Task, num_steps: int, graphs: Graphs, num_validations: int = 1) -> Task:
    """The task cut to a few steps, to measure what a step costs; the graphs that this makes serve the task, too."""
    probe = dataclasses.replace(task, data=task.splits, num_steps=num_steps, num_validations=num_validations)
    graphs.share(probe, task)
    return probe


def _run_black_box(task: BlackBoxTask, assembly: Assembly, seed: int) -> tuple[Curve, float]:
    started = time.perf_counter()
    curve = run_black_box(task, assembly.configuration, seed)
    return curve, time.perf_counter() - started
