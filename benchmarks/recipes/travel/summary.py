"""Figures over tasks: ratios of test losses, wins, and how many trials of a grid a run is worth."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from benchmarks.recipes.peers import ADAMW, SCHEDULE_FREE
from benchmarks.recipes.travel.contenders import BEST, GRID
from benchmarks.recipes.travel.training import Outcome

#: Outcomes by contender, of one task and seed.
Trainings = dict[str, Outcome]
#: Trainings by task and seed.
Results = dict[tuple[str, int], Trainings]


@dataclass(frozen=True)
class Interval:
    """A geometric mean over tasks with its 95 % interval; without one where there is one task only."""

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{100 * (self.value - 1):+.1f}"
        return f"{100 * (self.value - 1):+.1f} [{100 * (self.low - 1):+.1f}, {100 * (self.high - 1):+.1f}]"


@dataclass(frozen=True)
class Summary:
    """One contender over all tasks.

    Attributes:
        ratio: test loss over that of the grid's best, geometric mean over tasks.
        worst: the task with the largest ratio, and that ratio, geometric mean over seeds.
        wins: trainings with a lower test loss than AdamW's at 1e-3.
        trainings: number of trainings.
        against_schedule_free: test loss over that of Schedule-Free, paired by task and seed.
        worth: trials of the grid, in random order, until one is as good: mean over
            trainings; one more than the grid has where none is.
        failed: trainings that ended no better than they began.
    """

    contender: str
    ratio: float
    worst: tuple[str, float]
    wins: int
    trainings: int
    against_schedule_free: Interval
    worth: float
    failed: int


def best_of_grid(trainings: Trainings) -> Outcome:
    """By validation, as somebody would choose; rates that never got below the start come last."""
    return min((trainings[name] for name in GRID), key=choosing_loss)


def choosing_loss(outcome: Outcome) -> float:
    return math.inf if outcome.validation is None else outcome.validation


def trials_worth(loss: float, trials: Sequence[float]) -> float:
    """Expected number of trials in random order until the first that is as good.

    Of n trials k are; without replacement the first of them comes at (n + 1)/(k + 1). With k = 0 that is n + 1: more
    trials than there are.
    """
    as_good = sum(trial <= loss for trial in trials)
    return (len(trials) + 1) / (as_good + 1)


def losses_of(contender: str, trainings: Trainings) -> float:
    return best_of_grid(trainings).loss if contender == BEST else trainings[contender].loss


def log_ratios(contender: str, against: str, results: Results) -> dict[str, float]:
    """Log of the ratio of test losses by task, mean over seeds."""
    by_task: dict[str, list[float]] = {}
    for (task, _), trainings in results.items():
        ratio = losses_of(contender, trainings) / losses_of(against, trainings)
        by_task.setdefault(task, []).append(math.log(ratio))
    return {task: statistics.fmean(values) for task, values in by_task.items()}


def interval(logs: Sequence[float]) -> Interval:
    """Geometric mean, and Student's 95 % interval over tasks."""
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return Interval(math.exp(mean), None, None)
    half = stats.t.ppf(0.975, len(logs) - 1) * statistics.stdev(logs) / len(logs) ** 0.5
    return Interval(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def summary(contender: str, results: Results) -> Summary:
    ratios = log_ratios(contender, BEST, results)
    worst = max(ratios, key=ratios.__getitem__)
    runs = list(results.values())
    losses = [losses_of(contender, trainings) for trainings in runs]
    return Summary(
        contender=contender,
        ratio=math.exp(statistics.fmean(ratios.values())),
        worst=(worst, math.exp(ratios[worst])),
        wins=sum(loss < trainings[ADAMW].loss for loss, trainings in zip(losses, runs, strict=True)),
        trainings=len(runs),
        against_schedule_free=interval(list(log_ratios(contender, SCHEDULE_FREE, results).values())),
        worth=statistics.fmean(
            trials_worth(loss, [trainings[name].loss for name in GRID])
            for loss, trainings in zip(losses, runs, strict=True)
        ),
        failed=sum(loss >= first_loss(trainings) for loss, trainings in zip(losses, runs, strict=True)),
    )


def first_loss(trainings: Trainings) -> float:
    """Before training, the same for all."""
    return next(iter(trainings.values())).first_test or math.inf
