"""Plots of the race: candidates, rungs, and which choices mattered."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from metaopt.report.plots.palette import PALETTE, legend_above, literal
from metaopt.tuning import TuneResult

#: Of candidates that were dropped, and of those that ran on all tasks, the most that are drawn: more are a blot, and
#: megabytes.
MOST_DROPPED = 800
MOST_FINISHED = 200
#: Lines of the race, likewise.
MOST_LINES = 300

_Item = TypeVar("_Item")


def draw_race(axes: Any, result: TuneResult) -> None:
    """Every candidate's objective at the last rung it reached, in the order proposed, and the best so far."""
    judged = sorted(result.judged, key=lambda pair: pair[0].number)
    dropped = [(proposal.number, outcome.objective) for proposal, outcome in judged if not outcome.complete]
    finished = [(proposal.number, outcome.objective) for proposal, outcome in judged if outcome.complete]
    if dropped:
        points = zip(*spread(dropped, MOST_DROPPED), strict=True)
        axes.scatter(*points, s=14, color=PALETTE.muted, alpha=0.55, linewidth=0, label="dropped")
    if finished:
        points = zip(*spread(finished, MOST_FINISHED), strict=True)
        axes.scatter(*points, s=20, color=PALETTE.series[0], linewidth=0, label="ran on all tasks")
        numbers, objectives = (np.asarray(column) for column in zip(*finished, strict=True))
        best = np.maximum.accumulate(objectives)
        steps = np.flatnonzero(np.diff(best, prepend=-np.inf))  # where it rises; the last one again, to the end
        kept = [*steps, len(best) - 1]
        axes.plot(numbers[kept], best[kept], color=PALETTE.recipe, drawstyle="steps-post", label="best so far")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("candidate")
    axes.set_ylabel("objective")
    legend_above(axes)


def draw_rungs(axes: Any, result: TuneResult) -> None:
    """The race: candidates' objectives after each block of tasks."""
    winner = result.recipe.configuration.key
    won = [pair for pair in result.judged if pair[0].configuration.key == winner]
    others = [pair for pair in result.judged if pair[0].configuration.key != winner]
    for proposal, outcome in [*reversed(spread(others, MOST_LINES)), *won]:
        is_winner = proposal.configuration.key == winner
        colour = PALETTE.recipe if is_winner else PALETTE.series[0] if outcome.complete else PALETTE.muted
        axes.plot(
            list(outcome.rungs),
            list(outcome.rungs.values()),
            color=colour,
            alpha=1.0 if is_winner else 0.5 if outcome.complete else 0.35,
            linewidth=2.0 if is_winner else 0.8,
            marker="o",
            markersize=4 if is_winner else 2,
            zorder=3 if is_winner else 2,
        )
    axes.set_xticks(sorted({size for _, outcome in result.judged for size in outcome.rungs}))
    axes.set_xlabel("tasks done")
    axes.set_ylabel("objective")


def draw_importance(axes: Any, shares: Mapping[str, float], count: int = 10) -> None:
    """How much each choice mattered."""
    shown = list(shares.items())[:count]
    axes.barh(range(len(shown)), [share for _, share in shown], color=PALETTE.series[0], height=0.6)
    axes.set_yticks(range(len(shown)), [literal(name, 24) for name, _ in shown])
    axes.set_ylim(max(len(shown), 4) - 0.5, -0.5)
    axes.set_xlabel("share")
    axes.tick_params(axis="y", length=0)


def spread(items: Sequence[_Item], most: int) -> list[_Item]:
    """All of them, or so many spread evenly over them, the first and the last among these."""
    if len(items) <= most:
        return list(items)
    return [items[round(position * (len(items) - 1) / (most - 1))] for position in range(most)]
