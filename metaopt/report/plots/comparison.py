"""Plots of a comparison: scores, curves, what a run is worth, time to target."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from metaopt.report.plots.palette import PALETTE, legend_above, line_style, literal, recipe_last
from metaopt.tuning import RECIPE, Comparison, Interval, bootstrap

TAUS = np.linspace(1.0, 4.0, 61)
#: Fractions of a run at which curves of tasks with different numbers of validations are averaged.
GRID = np.linspace(0.05, 1.0, 20)


def draw_scores(axes: Any, held_out: Comparison | None, tuning: Comparison | None) -> None:
    """Mean test score of each contender with its interval; held-out tasks filled, tuning tasks hollow."""
    main = held_out if held_out is not None else tuning
    assert main is not None
    names = main.contenders
    for position, name in enumerate(names):
        colour = PALETTE.of(name, names)
        if held_out is not None:
            _dot(axes, held_out.interval(name), position - (0.13 if tuning is not None else 0), colour, filled=True)
        if tuning is not None:
            _dot(axes, tuning.interval(name), position + (0.13 if held_out is not None else 0), colour, filled=False)
    _references(axes.axvline)
    axes.set_yticks(range(len(names)), [literal(name, 24) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("test score (0 baseline, 1 long-tuned)")
    axes.tick_params(axis="y", length=0)


def draw_worth(axes: Any, comparison: Comparison) -> None:
    """Expected test score of the best of n random trials of a task's own, and the level of the recipe's one run."""
    tasks = [task for task in comparison.tasks if task in comparison.expected]
    pools = np.stack([comparison.expected[task] for task in tasks])
    trials = np.arange(1, pools.shape[1] + 1)
    scores = comparison.task_scores(RECIPE)[tasks].to_numpy()
    by_task = dict(zip(comparison.tasks, comparison.families(), strict=True))
    families = [by_task[task] for task in tasks]
    level = bootstrap(scores, families, _mean, comparison.over)
    # With little data the best of more trials by validation may look worse than that of few: the band says how sure.
    band = [bootstrap(column, families, _mean, comparison.over) for column in pools.T]
    axes.plot(trials, pools.mean(axis=0), color=PALETTE.series[0], label="best of n trials")
    lows, highs = [interval.low for interval in band], [interval.high for interval in band]
    axes.fill_between(trials, lows, highs, color=PALETTE.series[0], alpha=0.12, linewidth=0)
    axes.axhline(level.value, color=PALETTE.recipe, label="one run of the recipe")
    axes.axhspan(level.low, level.high, color=PALETTE.recipe, alpha=0.12, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks([n for n in (1, 2, 4, 8, 16, 32, 64) if n <= trials[-1]])
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_xlim(1, trials[-1])
    axes.set_xlabel("random tuning trials on the task itself")
    axes.set_ylabel("mean test score")
    legend_above(axes)


def draw_profile(axes: Any, comparison: Comparison) -> None:
    """Share of runs that are as good as the baseline's end within τ times the fastest contender's steps."""
    for name in recipe_last(comparison.contenders):
        shares = comparison.profile(name, TAUS.tolist())
        axes.plot(TAUS, shares, drawstyle="steps-post", **line_style(name, comparison.contenders))
    axes.set_xlim(TAUS[0], TAUS[-1])
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("τ: steps, as a multiple of the fastest")
    axes.set_ylabel("share of runs at the target")


def recipe_band(comparison: Comparison) -> list[Interval]:
    """Interval over tasks of the recipe's test score so far, at each point of `GRID`."""
    families = dict(zip(comparison.tasks, comparison.families(), strict=True))
    tasks = [task for task in comparison.tasks if _curve(comparison, RECIPE, task).size]
    grid = np.stack([_on_grid(_curve(comparison, RECIPE, task)) for task in tasks])
    return [bootstrap(column, [families[task] for task in tasks], _mean, comparison.over) for column in grid.T]


def draw_curves(axes: Any, comparison: Comparison, band: Sequence[Interval], contenders: Sequence[str]) -> None:
    """Test score of the checkpoint kept so far, mean over tasks, with the recipe's interval over tasks.

    Args:
        axes: to draw on.
        comparison: whose curves.
        band: `recipe_band` of the comparison.
        contenders: all that have a colour, in their order.
    """
    for name in recipe_last(comparison.contenders):
        tasks = [task for task in comparison.tasks if _curve(comparison, name, task).size]
        if not tasks:
            continue
        grid = np.stack([_on_grid(_curve(comparison, name, task)) for task in tasks])
        axes.plot(GRID, grid.mean(axis=0), **line_style(name, contenders))
    lows, highs = [interval.low for interval in band], [interval.high for interval in band]
    axes.fill_between(GRID, lows, highs, color=PALETTE.recipe, alpha=0.12, linewidth=0)
    _references(axes.axhline)
    axes.set_xlim(GRID[0], 1)
    axes.set_xlabel("fraction of the run")
    axes.set_ylabel("test score so far")


def draw_task(axes: Any, comparison: Comparison, task: str, contenders: Sequence[str]) -> None:
    """Test score of the checkpoint kept so far on one task, mean over seeds; contenders as in `draw_curves`."""
    for name in recipe_last(comparison.contenders):
        curve = _curve(comparison, name, task)
        axes.plot(np.arange(1, len(curve) + 1) / max(len(curve), 1), curve, **line_style(name, contenders))
    _references(axes.axhline)
    axes.set_xlim(0, 1)
    axes.set_ylim(-1.1, 2.1)
    axes.set_xticks([0, 1])
    axes.set_yticks([-1, 0, 1, 2])
    axes.set_title(literal(task), loc="left")


def _dot(axes: Any, interval: Interval, position: float, colour: str, *, filled: bool) -> None:
    axes.plot([interval.low, interval.high], [position, position], color=colour, linewidth=2 if filled else 1)
    axes.plot(
        interval.value,
        position,
        color=colour,
        marker="o",
        markersize=6 if filled else 4.5,
        markerfacecolor=colour if filled else "none",
    )


def _references(line: Any) -> None:
    for level in (0, 1):
        line(level, color=PALETTE.rule, linewidth=0.8, zorder=0)


def _curve(comparison: Comparison, name: str, task: str) -> np.ndarray:
    return np.asarray(comparison.curves.get((name, task), ()))


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _on_grid(curve: np.ndarray) -> np.ndarray:
    return np.asarray(np.interp(GRID, np.arange(1, len(curve) + 1) / len(curve), curve))
