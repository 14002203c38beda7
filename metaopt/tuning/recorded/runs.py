"""A portfolio of candidates from runs that were recorded elsewhere: nothing is trained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from metaopt.contracts import Curve, to_stderr
from metaopt.errors import InputError, quoted
from metaopt.recipe import Interval, TrialsWorth
from metaopt.tuning.arguments import check_count
from metaopt.tuning.executors.dispatcher import Dispatcher
from metaopt.tuning.executors.named import LOCAL, dispatcher
from metaopt.tuning.judging.noise import best_so_far
from metaopt.tuning.judging.scores import Scale
from metaopt.tuning.judging.statistics import LEVEL, Floats, crossing, expected_best
from metaopt.tuning.recorded.left_out import Scored, held_out_scores
from metaopt.tuning.recorded.runs_file import Runs

#: Fewer tasks get no interval: a half of them says too little.
LEAST_TASKS = 8
#: Parts that tasks are divided into unless the caller says otherwise.
HALVES = 2


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
        parts: that the tasks were divided into, one of them left out.
    """

    members: Sequence[RankedCandidate]
    baseline: str | None
    num_candidates: int
    tasks: Sequence[str]
    left_out: Sequence[str]
    parts: int = HALVES

    def summary(self) -> str:
        """What the first candidate is worth, in one sentence."""
        worth = self.members[0].worth
        claim = (
            f"On a task that had no say in the choice, the first candidate is worth {worth} random trials of its own"
        )
        share = "half" if self.parts == HALVES else f"{self.parts - 1} of {self.parts} parts"
        sentence = f"{claim} ({len(self.tasks)} tasks, chosen on {share} of them, {self.num_candidates:,} candidates)."
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
            "parts": self.parts,
        }


def portfolio_of_runs(
    runs: Runs,
    size: int = 5,
    baseline: str | None = None,
    *,
    folds: int | None = None,
    workers: int | None = None,
    executor: str = LOCAL,
    address: str | None = None,
    announce: Callable[[str], None] = to_stderr,
) -> RunsPortfolio:
    """Choose complementary candidates, and estimate on tasks left out what they are worth.

    Each task's references are the baseline's run (score 0) and that of its best candidate (score 1). A candidate's
    score is its area under the best-so-far curve between them, see `metaopt.tuning.judging.scores`. The first candidate
    maximises the objective of `metaopt tune`; each further one raises the mean of the best score on each task the most.

    For the held-out numbers candidates are chosen on a random half of the tasks, families dealt evenly, and the best of
    the first k by their final value is held against the best of n random ones on the other half, 200 times. The
    intervals are percentiles over these divisions. Leaving out one task at a time and resampling tasks would not do:
    all choices are then nearly the same, and on tables of noise such intervals claim a worth in two cases of five.
    With more parts than two, candidates are chosen on more of the tasks and judged on fewer, so that the intervals are
    wider than they would have to be.

    Args:
        runs: at least two candidates on at least two tasks.
        size: how many to name; fewer where no other raises the mean.
        baseline: the candidate that scores 0; by default the median of each task, by final value.
        folds: divide the tasks into this many parts instead of halves, and choose on all but one of them.
        workers: processes that go through the divisions; see `metaopt.tune`.
        executor: where they are; see `metaopt.tune`.
        address: of a cluster; see `metaopt.tune`.
        announce: told in one line whenever there is something to say.

    Raises:
        InputError: the baseline is no candidate that ran on all tasks, all runs diverged, or a number or a place to run
            in is not valid.
    """
    if size < 1:
        raise InputError(f"--portfolio must be at least 1, got {size}.")
    parts = HALVES if folds is None else folds
    if not 2 <= parts <= len(runs.curves):
        raise InputError(f"--folds must be between 2 and the number of tasks, {len(runs.curves)}, got {quoted(folds)}.")
    if workers is not None:
        check_count("workers", workers)
    if baseline is not None and baseline not in runs.candidates:
        raise InputError(f"--baseline {baseline!r} is no candidate that ran on all tasks; there are {_some(runs)}.")
    scales = {task: _scale(curves, baseline) for task, curves in runs.curves.items()}
    if not any(scale.weight for scale in scales.values()):
        raise InputError(
            "All runs of all candidates diverged, so there is nothing to choose; look at what recorded them."
        )
    table = {
        name: (name, {task: scales[task].score(curves[name]) for task, curves in runs.curves.items()})
        for name in runs.candidates
    }
    finals = {
        name: np.asarray([scales[task].test_score(curves[name]) for task, curves in runs.curves.items()])
        for name in runs.candidates
    }
    scored = Scored(table, finals, scales, [runs.families[task] for task in runs.curves])
    order = scored.order(size)
    best = np.maximum.accumulate(np.stack([list(table[name][1].values()) for name in order]))
    divided = dispatcher(executor, workers, address, announce, None)
    try:
        estimates = _estimates(runs, scored, size, parts, divided)
    finally:
        if divided is not None:
            divided.close()
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
    return RunsPortfolio(members, baseline, len(table), list(runs.curves), runs.left_out, parts)


def _estimates(
    runs: Runs, scored: Scored, size: int, parts: int, workers: Dispatcher | None
) -> list[tuple[Interval, TrialsWorth]]:
    """Held-out score and worth of the best of the first k candidates, k = 1 … size."""
    expected = np.stack(
        [expected_best(list(runs.curves[task].values()), scale) for task, scale in scored.scales.items()]
    )
    held_out = held_out_scores(scored, size, parts, workers)
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
