"""Runs what is compared: every contender on every task with fresh seeds, judged on the test split."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from metaopt.contracts import AnyTask, Array, Curve, Task
from metaopt.deploy import stopper_requires
from metaopt.tuning.judging.comparison import REPORT_SEEDS, SAMPLERS, Comparison, Contender, Sampler
from metaopt.tuning.judging.references import Reference
from metaopt.tuning.judging.scores import Scale
from metaopt.tuning.judging.statistics import best_of_first, expected_best
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.stopping.stopping import stop_index


def compare(
    evaluator: Evaluator,
    tasks: Sequence[AnyTask],
    references: Mapping[str, Reference],
    contenders: Sequence[Contender],
    *,
    tuned: int = 0,
    tpe: Mapping[str, Sequence[Curve]] | None = None,
    seeds: Sequence[int] = REPORT_SEEDS,
) -> Comparison:
    """Run every contender on every task with fresh seeds and judge it on the test split.

    Args:
        evaluator: runs what the ledger lacks.
        tasks: to compare on.
        references: of these tasks.
        contenders: the first is the one that the others are compared with.
        tuned: also show the best of this many random trials on each task itself, chosen by validation.
        tpe: also show the best of these TPE trials on each task itself; see `own_trials.tpe_trials`.
        seeds: of weights and batches.
    """
    rows: list[dict[str, object]] = []
    curves: dict[tuple[str, str], Array] = {}
    targets: dict[tuple[str, str, int], float] = {}
    expected: dict[str, Array] = {}
    guided: dict[str, Array] = {}
    configurations = list({contender.configuration.key: contender.configuration for contender in contenders}.values())
    stoppers = [contender.stopper for contender in contenders if contender.stopper is not None]
    required = frozenset[str]().union(*(stopper_requires(stopper, evaluator.registry) for stopper in stoppers))
    all_curves = evaluator.recording(required).curves(configurations, tasks, seeds)
    for task in tasks:
        reference = references[task.name]
        for contender in contenders:
            recorded = [all_curves[contender.configuration.key, task.name, seed] for seed in seeds]
            curves[contender.name, task.name] = _test_curve(recorded, reference)
            for seed, curve in zip(seeds, recorded, strict=True):
                until = stop_index(curve, contender.stopper, evaluator.registry, task.sign) + 1
                rows.append(_row(contender, task, seed, curve, reference, until))
                targets[contender.name, task.name, seed] = _time_to_target(curve, reference, until)
        if isinstance(reference.scale, Scale):
            if reference.pool:
                expected[task.name] = expected_best(reference.pool, reference.scale)
            if tpe and task.name in tpe:
                guided[task.name] = best_of_first(tpe[task.name], reference.scale)
    if tuned:
        own: Mapping[Sampler, Mapping[str, Array]] = {"random": expected, "tpe": guided}
        horizons = {task.name: task.num_steps for task in tasks if isinstance(task, Task)}
        rows += [
            row
            for sampler, found_scores in own.items()
            for task in tasks
            if task.name in found_scores
            for row in _tuned_rows(task, horizons[task.name], seeds, found_scores[task.name], tuned, sampler)
        ]
    return Comparison(pd.DataFrame(rows), curves, expected, targets, guided)


def _row(
    contender: Contender, task: AnyTask, seed: int, curve: Curve, reference: Reference, until: int
) -> dict[str, object]:
    index = curve.best_index(until)
    return {
        "contender": contender.name,
        "task": task.name,
        "family": task.family,
        "seed": seed,
        "test": task.sign * curve.test_at_best(until),
        "test_score": reference.scale.test_score(curve, until),
        "validation": float("nan") if index is None else task.sign * float(curve.values[index]),
        "steps": int(curve.steps[until - 1]),
        "horizon": curve.horizon,
        "diverged": curve.diverged,
    }


def _tuned_rows(
    task: AnyTask, horizon: int, seeds: Sequence[int], scores: Array, tuned: int, sampler: Sampler
) -> list[dict[str, object]]:
    trials = min(tuned, len(scores))
    return [
        {
            "contender": f"best of {tuned} {SAMPLERS[sampler]} trials",
            "task": task.name,
            "family": task.family,
            "seed": seed,
            "test": float("nan"),
            "test_score": float(scores[trials - 1]),
            "validation": float("nan"),
            "steps": horizon * trials,
            "horizon": horizon,
            "diverged": False,
        }
        for seed in seeds
    ]


def _test_curve(curves: Sequence[Curve], reference: Reference) -> Array:
    if not isinstance(reference.scale, Scale):  # a black box may validate at other moments each time
        return np.asarray([])
    mean: Array = np.mean([_kept_scores(curve, reference, len(curve.steps)) for curve in curves], axis=0)
    return mean


def _time_to_target(curve: Curve, reference: Reference, until: int) -> float:
    reached = np.flatnonzero(_kept_scores(curve, reference, until) >= 0)
    return float(curve.steps[reached[0]] / curve.horizon) if len(reached) else float("inf")


def _kept_scores(curve: Curve, reference: Reference, until: int) -> Array:
    """Test score of the checkpoint kept at each of the first `until` validations, shape (until,)."""
    return np.asarray([reference.scale.test_score(curve, count) for count in range(1, until + 1)])
