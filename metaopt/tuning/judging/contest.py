"""Runs what is compared: every contender on every task with fresh seeds, judged on the test split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from metaopt.contracts import AnyTask, Array, Curve, Task
from metaopt.deploy import stopper_requires
from metaopt.tuning.judging.comparison import Comparison, Contender
from metaopt.tuning.judging.noise import draws_test, overlap_of
from metaopt.tuning.judging.references import References
from metaopt.tuning.judging.scores import AnyScale, RatioScale, Scale, examples_noise
from metaopt.tuning.judging.statistics import best_of_first, expected_best
from metaopt.tuning.judging.summary import SAMPLERS, Sampler
from metaopt.tuning.running.evaluator import Evaluator
from metaopt.tuning.running.progress import TimeUpError
from metaopt.tuning.seeds import BLACK_BOX_SEEDS, RACE_SEED, report_seeds
from metaopt.tuning.stopping.stopping import stop_index


def compare(
    evaluator: Evaluator,
    tasks: Sequence[AnyTask],
    references: References,
    contenders: Sequence[Contender],
    *,
    held_out: bool = True,
    incumbent: str | None = None,
    tuned: int = 0,
    tpe: Mapping[str, Sequence[Curve]] | None = None,
    repeats: int = BLACK_BOX_SEEDS,
    seeds: Sequence[int] | None = None,
) -> Comparison:
    """Run every contender on every task with fresh seeds and judge it on the test split.

    Args:
        evaluator: runs what the ledger lacks.
        tasks: to compare on.
        references: of these tasks.
        contenders: the first is the one that the others are compared with.
        held_out: whether nothing was chosen on any of the tasks' rows; see `metaopt.tuning.seeds.report_seeds`.
        incumbent: the contender that would have been used without tuning; the best by validation if left out.
        tuned: also show the best of this many random trials on each task itself, chosen by validation.
        tpe: also show the best of these TPE trials on each task itself; see `own_trials.tpe_trials`.
        repeats: seeds of black boxes.
        seeds: of all tasks; those of `report_seeds` if left out.
    """
    rows: list[dict[str, object]] = []
    curves: dict[tuple[str, str], Array] = {}
    targets: dict[tuple[str, str, int], float] = {}
    expected: dict[str, Array] = {}
    guided: dict[str, Array] = {}
    examples: dict[tuple[str, str], Array] = {}
    by_task = {task.name: seeds or report_seeds(task, held_out=held_out, repeats=repeats) for task in tasks}
    configurations = list({contender.configuration.key: contender.configuration for contender in contenders}.values())
    stoppers = [contender.stopper for contender in contenders if contender.stopper is not None]
    required = frozenset[str]().union(*(stopper_requires(stopper, evaluator.registry) for stopper in stoppers))
    all_curves = evaluator.recording(required).answer(references.requests(configurations, tasks, by_task))
    for task in tasks:
        reference = references[task.name]
        for contender in contenders:
            runs = [
                _Run(contender, task, seed, all_curves[contender.configuration.key, task.name, seed], scale)
                for seed, scale in ((seed, references.scale(task, seed)) for seed in by_task[task.name])
            ]
            curves[contender.name, task.name] = _test_curve(runs)
            for run in runs:
                until = stop_index(run.curve, contender.stopper, evaluator.registry, task.sign) + 1
                rows.append(run.row(until))
                targets[contender.name, task.name, run.seed] = run.time_to_target(until)
            noise = examples_noise([(run.curve, run.scale) for run in runs], "test")
            if noise is not None and not draws_test(task, runs[-1].seed):
                examples[contender.name, task.name] = noise
        if isinstance(reference.scale, Scale):
            own_scale = references.scale(task, RACE_SEED)
            assert isinstance(own_scale, Scale)
            if reference.pool:
                expected[task.name] = expected_best(reference.pool, own_scale)
            if tpe and task.name in tpe:
                guided[task.name] = best_of_first(tpe[task.name], own_scale)
    if tuned:
        own: Mapping[Sampler, Mapping[str, Array]] = {"random": expected, "tpe": guided}
        horizons = {task.name: task.num_steps for task in tasks if isinstance(task, Task)}
        rows += [
            row
            for sampler, trial_scores in own.items()
            for task in tasks
            if task.name in trial_scores
            for row in _tuned_rows(
                task, horizons[task.name], by_task[task.name], trial_scores[task.name], tuned, sampler
            )
        ]
    return Comparison(
        pd.DataFrame(rows),
        curves,
        expected,
        targets,
        guided,
        examples=examples,
        overlaps={task.name: overlap_of(task, by_task[task.name][-1]) for task in tasks},
        incumbents={} if incumbent is None else dict.fromkeys(by_task, incumbent),
        in_ratios=all(isinstance(references[name].scale, RatioScale) for name in by_task),
    )


def with_runs(
    evaluator: Evaluator,
    tasks: Sequence[AnyTask],
    references: References,
    contenders: Sequence[Contender],
    *,
    held_out: bool,
    repeats: int,
) -> list[Contender]:
    """Of each name the first contender whose runs the ledger holds, where nothing may be trained; see `compare`."""
    seeds = {task.name: report_seeds(task, held_out=held_out, repeats=repeats) for task in tasks}
    known: dict[str, Contender] = {}
    for contender in contenders:
        try:
            evaluator.answer(references.requests([contender.configuration], tasks, seeds))
        except TimeUpError:
            continue
        known.setdefault(contender.name, contender)
    return list(known.values())


@dataclass(frozen=True)
class _Run:
    """A contender's run on a task, and how it is scored."""

    contender: Contender
    task: AnyTask
    seed: int
    curve: Curve
    scale: AnyScale

    def row(self, until: int) -> dict[str, object]:
        """Of `Comparison.runs`, where it was stopped after so many validations."""
        task, curve = self.task, self.curve
        index = curve.best_index(until)
        return {
            "contender": self.contender.name,
            "task": task.name,
            "family": task.family,
            "seed": self.seed,
            "test": task.sign * curve.test_at_best(until),
            "test_score": self.scale.test_score(curve, until),
            "validation": float("nan") if index is None else task.sign * float(curve.values[index]),
            "validation_score": self.scale.final_score(curve),
            "steps": int(curve.steps[until - 1]),
            "horizon": curve.horizon,
            "diverged": curve.diverged,
        }

    def time_to_target(self, until: int) -> float:
        """When its kept checkpoint first was as good as the baseline, as a fraction of the horizon."""
        reached = np.flatnonzero(self.kept_scores(until) >= 0)
        return float(self.curve.steps[reached[0]] / self.curve.horizon) if len(reached) else float("inf")

    def kept_scores(self, until: int) -> Array:
        """Test score of the checkpoint kept at each of the first `until` validations, shape (until,)."""
        return np.asarray([self.scale.test_score(self.curve, count) for count in range(1, until + 1)])


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
            "validation_score": float("nan"),
            "steps": horizon * trials,
            "horizon": horizon,
            "diverged": False,
        }
        for seed in seeds
    ]


def _test_curve(runs: Sequence[_Run]) -> Array:
    if not isinstance(runs[0].scale, Scale):  # a black box may validate at other moments each time
        return np.asarray([])
    mean: Array = np.mean([run.kept_scores(len(run.curve.steps)) for run in runs], axis=0)
    return mean
