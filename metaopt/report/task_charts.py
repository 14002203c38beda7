"""Small charts of single tasks: the contenders' curves as points of SVG lines, which a template draws.

There may be a hundred of them on a page, so they are not matplotlib's, which would take ten kilobytes and a tenth of a
second each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metaopt.report.plots.palette import PALETTE, recipe_last
from metaopt.tuning import BEST, RECIPE, WORST, Comparison

#: Tasks of a comparison that are drawn: those on which the recipe falls furthest behind.
MOST_CHARTS = 60
#: Points of a line; a chart is some 150 pixels wide.
MOST_POINTS = 60
#: Units of the SVG's coordinates: the plotted area, from the top left corner.
WIDTH, HEIGHT = 120.0, 66.0


@dataclass(frozen=True)
class Line:
    """One contender's curve.

    Attributes:
        variable: CSS variable of its colour.
        dashes: lengths of dashes and gaps, as CSS has them; empty for a solid line.
        is_recipe: whether it is the recipe's, which is drawn thicker.
        points: as SVG's `points`, within `WIDTH` and `HEIGHT`.
    """

    variable: str
    dashes: str
    is_recipe: bool
    points: str


@dataclass(frozen=True)
class TaskChart:
    """The curves of all contenders on one task."""

    task: str
    lines: tuple[Line, ...]


def with_curves(comparison: Comparison) -> list[str]:
    """Tasks of which any contender has a curve, those first on which the recipe falls furthest behind."""
    names = comparison.contenders
    has = [task for task in comparison.tasks if any(len(comparison.curves.get((name, task), ())) for name in names)]
    behind = dict(
        zip(*(comparison.worst_tasks(len(comparison.tasks))[column] for column in ("task", "behind")), strict=True)
    )
    return sorted(has, key=lambda task: -behind.get(task, -np.inf))


def task_charts(comparison: Comparison, contenders: Sequence[str]) -> list[TaskChart]:
    """Charts of the tasks with curves, `MOST_CHARTS` at most.

    Args:
        comparison: whose curves.
        contenders: all that have a colour on the page, in their order.
    """
    return [
        TaskChart(task, tuple(_lines(comparison, contenders, task))) for task in with_curves(comparison)[:MOST_CHARTS]
    ]


def height_of(score: float) -> float:
    """Where a test score is drawn: `BEST` at the top, `WORST` at the bottom."""
    return round(HEIGHT * (BEST - score) / (BEST - WORST), 1)


def _lines(comparison: Comparison, contenders: Sequence[str], task: str) -> list[Line]:
    lines = []
    for name in recipe_last(comparison.contenders):
        curve = np.asarray(comparison.curves.get((name, task), ()))
        if np.isfinite(curve).any():
            dashes = " ".join(f"{length:g}" for length in PALETTE.dashes(name, contenders))
            lines.append(Line(PALETTE.variable(name, contenders), dashes, name == RECIPE, _points(curve)))
    return lines


def _points(curve: np.ndarray) -> str:
    ends = (np.arange(1, len(curve) + 1) / len(curve))[np.isfinite(curve)]
    scores = np.clip(curve[np.isfinite(curve)], WORST, BEST)
    kept = np.unique(np.linspace(0, len(scores) - 1, min(len(scores), MOST_POINTS)).round().astype(int))
    points = [f"{WIDTH * ends[index]:.1f},{height_of(float(scores[index])):g}" for index in kept]
    return " ".join(points if len(points) > 1 else 2 * points)  # a line of one point would not be seen
