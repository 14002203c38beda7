"""A portfolio of candidates from runs that were recorded elsewhere: nothing is trained."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metaopt.contracts import Curve
from metaopt.errors import InputError
from metaopt.recipe import Interval, TrialsWorth
from metaopt.tuning.judging.noise import best_so_far
from metaopt.tuning.judging.scores import Scale, objective
from metaopt.tuning.judging.statistics import LEVEL, Floats, crossing, expected_best
from metaopt.tuning.portfolio import greedy_order
from metaopt.tuning.recorded.runs_file import Runs

#: Random halves on which candidates are chosen and judged again.
SPLITS = 200
#: Fewer tasks get no interval: a half of them says too little.
LEAST_TASKS = 8

#: By candidate: nothing (a configuration, where there is one) and its score by task.
ScoreTable = Mapping[str, tuple[object, Mapping[str, float]]]


@dataclass(frozen=True)
class RankedCandidate:
    """A candidate of the portfolio.

    Attributes:
        candidate: its name.
        score: mean over tasks of its area score, between 0 (the baseline) and 1 (the task's best candidate).
        portfolio_score: that of the best on each task among this one and those before it.
        held_out: final score, on tasks that had no say, of the best of so many candidates chosen on others.
        worth: random trials on the task itself that reach as far.
        by_task: its area scores.
    """

    candidate: str
    score: float
    portfolio_score: float
    held_out: Interval
    worth: TrialsWorth
    by_task: Mapping[str, float]


@dataclass(frozen=True)
class RunsPortfolio:
    """Complementary candidates in the order to try them.

    Attributes:
        members: the first is the one that does best alone.
        baseline: whose runs score 0; None for each task's median candidate.
        num_candidates: that ran on all tasks.
        tasks: names.
        left_out: candidates that did not.
    """

    members: Sequence[RankedCandidate]
    baseline: str | None
    num_candidates: int
    tasks: Sequence[str]
    left_out: Sequence[str]

    def summary(self) -> str:
        """What the first candidate is worth, in one sentence."""
        worth = self.members[0].worth
        claim = (
            f"On a task that had no say in the choice, the first candidate is worth {worth} random trials of its own"
        )
        sentence = f"{claim} ({len(self.tasks)} tasks, chosen on half of them, {self.num_candidates:,} candidates)."
        return f"{sentence} Nothing is claimed." if np.isnan(worth.low) or worth.low <= 1 else sentence

    def dataframe(self) -> pd.DataFrame:
        """A row a member: scores, held-out scores and worth with their intervals, and its score on each task."""
        return pd.DataFrame([_row(place, member) for place, member in enumerate(self.members, start=1)])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; NaN becomes None."""
        rows = [_row(place, member, tasks=False) for place, member in enumerate(self.members, start=1)]
        return {
            "portfolio": [{key: None if value != value else value for key, value in row.items()} for row in rows],
            "baseline": self.baseline or "median candidate of each task",
            "candidates": self.num_candidates,
            "left_out": list(self.left_out),
            "tasks": list(self.tasks),
        }


def portfolio_of_runs(runs: Runs, size: int = 5, baseline: str | None = None) -> RunsPortfolio:
    """Choose complementary candidates, and estimate on tasks left out what they are worth.

    Each task's references are the baseline's run (score 0) and that of its best candidate (score 1). A candidate's
    score is its area under the best-so-far curve between them, see `metaopt.tuning.judging.scores`. The first candidate
    maximises the objective of `metaopt tune`; each further one raises the mean of the best score on each task the most.

    For the held-out numbers candidates are chosen on a random half of the tasks, families dealt evenly, and the best of
    the first k by their final value is held against the best of n random ones on the other half, SPLITS times. The
    intervals are percentiles over these splits. Leaving out one task at a time and resampling tasks would not do: all
    choices are then nearly the same, and on tables of noise such intervals claim a worth in two cases of five.

    Args:
        runs: at least two candidates on at least two tasks.
        size: how many to name; fewer where no other raises the mean.
        baseline: the candidate that scores 0; by default the median of each task, by final value.

    Raises:
        InputError: the baseline is no candidate that ran on all tasks, all runs diverged, or the size is less than 1.
    """
    if size < 1:
        raise InputError(f"--portfolio must be at least 1, got {size}.")
    if baseline is not None and baseline not in runs.candidates:
        raise InputError(f"--baseline {baseline!r} is no candidate that ran on all tasks; there are {_some(runs)}.")
    scales = {task: _scale(curves, baseline) for task, curves in runs.curves.items()}
    if not any(scale.weight for scale in scales.values()):
        raise InputError(
            "All runs of all candidates diverged, so there is nothing to choose; look at what recorded them."
        )
    table: ScoreTable = {
        name: (name, {task: scales[task].score(curves[name]) for task, curves in runs.curves.items()})
        for name in runs.candidates
    }
    order = _order(table, scales, size)
    best = np.maximum.accumulate(np.stack([list(table[name][1].values()) for name in order]))
    estimates = _estimates(runs, table, scales, size)
    members = [
        RankedCandidate(
            candidate=name,
            score=float(np.mean(list(table[name][1].values()))),
            portfolio_score=float(best[place].mean()),
            held_out=estimates[place][0],
            worth=estimates[place][1],
            by_task=table[name][1],
        )
        for place, name in enumerate(order)
    ]
    return RunsPortfolio(members, baseline, len(table), list(runs.curves), runs.left_out)


def _estimates(
    runs: Runs, table: ScoreTable, scales: Mapping[str, Scale], size: int
) -> list[tuple[Interval, TrialsWorth]]:
    """Held-out score and worth of the best of the first k candidates, k = 1 … size."""
    tasks = list(runs.curves)
    expected = np.stack([expected_best(list(runs.curves[task].values()), scales[task]) for task in tasks])
    final = {name: np.asarray([scales[task].test_score(runs.curves[task][name]) for task in tasks]) for name in table}
    held_out = np.full((SPLITS, len(tasks), size), np.nan)
    generator = np.random.default_rng(0)
    for split in range(SPLITS):
        judged = _half([runs.families[task] for task in tasks], generator)
        chosen = _order(*_without(table, scales, {tasks[index] for index in judged}), size)
        best = np.maximum.accumulate(np.stack([final[name][judged] for name in chosen]))
        held_out[split][judged] = np.pad(best, ((0, size - len(best)), (0, 0)), mode="edge").T
    return [_estimate(held_out[:, :, place], expected) for place in range(size)]


def _estimate(held_out: Floats, expected: Floats) -> tuple[Interval, TrialsWorth]:
    """From final scores, shape (splits, tasks), NaN where a task was chosen on, and what random trials reach."""
    means = np.nanmean(held_out, axis=1)
    worths = [crossing(mean, expected[~np.isnan(row)].mean(axis=0)) for mean, row in zip(means, held_out, strict=True)]
    mean, pool = float(np.nanmean(np.nanmean(held_out, axis=0))), expected.shape[1]
    enough = held_out.shape[1] >= LEAST_TASKS
    scores, trials = (_ends(np.asarray(values)) if enough else (np.nan, np.nan) for values in (means, worths))
    return Interval(mean, *scores), TrialsWorth(crossing(mean, expected.mean(axis=0)), *trials, pool)


def _ends(drawn: Floats) -> tuple[float, float]:
    return float(np.quantile(drawn, (1 - LEVEL) / 2)), float(np.quantile(drawn, (1 + LEVEL) / 2))


def _half(families: Sequence[str], generator: np.random.Generator) -> NDArray[np.int64]:
    """Half of the tasks at random, every other one within each family."""
    shuffled = generator.permutation(len(families))
    dealt = sorted(shuffled, key=lambda index: families[index])
    return np.sort(np.asarray(dealt[int(generator.integers(2)) :: 2], dtype=np.int64))


def _without(
    table: ScoreTable, scales: Mapping[str, Scale], tasks: Collection[str]
) -> tuple[ScoreTable, Mapping[str, Scale]]:
    remaining = {
        name: (configuration, {task: score for task, score in scores.items() if task not in tasks})
        for name, (configuration, scores) in table.items()
    }
    return remaining, {task: scale for task, scale in scales.items() if task not in tasks}


def _order(table: ScoreTable, scales: Mapping[str, Scale], size: int) -> list[str]:
    weights = {task: scale.weight for task, scale in scales.items()}
    first = max(table, key=lambda name: objective(table[name][1], weights))
    return greedy_order(table, first, size)


def _scale(curves: Mapping[str, Curve], baseline: str | None) -> Scale:
    finals = {name: np.inf if curve.diverged else float(best_so_far(curve)[-1]) for name, curve in curves.items()}
    ranked = sorted(finals, key=lambda name: finals[name])
    middle = ranked[(len(ranked) - 1) // 2] if baseline is None else baseline
    return Scale.of([curves[middle]], [curves[ranked[0]]])


def _row(place: int, member: RankedCandidate, *, tasks: bool = True) -> dict[str, Any]:
    return {
        "place": place,
        "candidate": member.candidate,
        "score": member.score,
        "portfolio_score": member.portfolio_score,
        "held_out_score": member.held_out.value,
        "held_out_low": member.held_out.low,
        "held_out_high": member.held_out.high,
        "trials_worth": member.worth.number,
        "trials_low": member.worth.low,
        "trials_high": member.worth.high,
        **({f"score:{task}": score for task, score in member.by_task.items()} if tasks else {}),
    }


def _some(runs: Runs) -> str:
    names = ", ".join(map(repr, runs.candidates[:5]))
    return names if len(runs.candidates) <= 5 else f"{names} and {len(runs.candidates) - 5:,} more"
