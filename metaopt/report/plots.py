"""The plots of a report: each draws one thing on the axes that it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metaopt.tuning import RECIPE, Comparison, Interval, RateSweep, Replay, TuneResult, bootstrap, is_chosen

TAUS = np.linspace(1.0, 4.0, 61)
#: Fractions of a run at which curves of tasks with different numbers of validations are averaged.
GRID = np.linspace(0.05, 1.0, 20)

_SERIES = ("#2f6db3", "#2c8c7c", "#8a63b5", "#b08420", "#74808d")


@dataclass(frozen=True)
class Palette:
    """Colours, named as in the page's style sheet."""

    ink: str = "#1d2126"
    muted: str = "#646b75"
    rule: str = "#dcdfe3"
    recipe: str = "#c2410c"
    series: tuple[str, ...] = _SERIES

    def of(self, contender: str, contenders: Sequence[str]) -> str:
        """The colour of a contender, the same in every plot."""
        others = [name for name in contenders if name != RECIPE]
        return self.recipe if contender == RECIPE else self.series[others.index(contender) % len(self.series)]

    def variables(self) -> dict[str, str]:
        """CSS variable by colour."""
        named = {self.ink: "--ink", self.muted: "--muted", self.rule: "--rule", self.recipe: "--recipe"}
        return {**named, **{colour: f"--series-{index}" for index, colour in enumerate(self.series, start=1)}}


PALETTE = Palette()


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
    axes.set_yticks(range(len(names)), names)
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
    axes.plot(trials, pools.mean(axis=0), color=PALETTE.series[0])
    lows, highs = [interval.low for interval in band], [interval.high for interval in band]
    axes.fill_between(trials, lows, highs, color=PALETTE.series[0], alpha=0.12, linewidth=0)
    axes.axhline(level.value, color=PALETTE.recipe)
    axes.axhspan(level.low, level.high, color=PALETTE.recipe, alpha=0.12, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks([n for n in (1, 2, 4, 8, 16, 32, 64) if n <= trials[-1]])
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.set_xlim(1, trials[-1])
    axes.set_xlabel("random tuning trials on the task itself")
    axes.set_ylabel("mean test score")
    axes.annotate("best of n trials", (trials[-1], pools[:, -1].mean()), **_beside(PALETTE.series[0], -3, 4, "right"))
    axes.annotate("one run of the recipe", (1, level.value), **_beside(PALETTE.recipe, 4, 4, "left"))


def draw_profile(axes: Any, comparison: Comparison) -> None:
    """Share of runs that are as good as the baseline's end within τ times the fastest contender's steps."""
    for name in _recipe_last(comparison.contenders):
        shares = comparison.profile(name, TAUS.tolist())
        axes.plot(TAUS, shares, drawstyle="steps-post", **_line(name, comparison.contenders))
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


def draw_curves(axes: Any, comparison: Comparison, band: Sequence[Interval]) -> None:
    """Test score of the checkpoint kept so far, mean over tasks, with the recipe's interval over tasks."""
    for name in _recipe_last(comparison.contenders):
        tasks = [task for task in comparison.tasks if _curve(comparison, name, task).size]
        if not tasks:
            continue
        grid = np.stack([_on_grid(_curve(comparison, name, task)) for task in tasks])
        axes.plot(GRID, grid.mean(axis=0), **_line(name, comparison.contenders))
    lows, highs = [interval.low for interval in band], [interval.high for interval in band]
    axes.fill_between(GRID, lows, highs, color=PALETTE.recipe, alpha=0.12, linewidth=0)
    _references(axes.axhline)
    axes.set_xlim(GRID[0], 1)
    axes.set_xlabel("fraction of the run")
    axes.set_ylabel("test score so far")


def draw_task(axes: Any, comparison: Comparison, task: str) -> None:
    """Test score of the checkpoint kept so far on one task, mean over seeds."""
    for name in _recipe_last(comparison.contenders):
        curve = _curve(comparison, name, task)
        axes.plot(np.arange(1, len(curve) + 1) / max(len(curve), 1), curve, **_line(name, comparison.contenders))
    _references(axes.axhline)
    axes.set_xlim(0, 1)
    axes.set_ylim(-1.1, 2.1)
    axes.set_xticks([0, 1])
    axes.set_yticks([-1, 0, 1, 2])
    axes.set_title(literal(task), loc="left")


def draw_stopping(axes: Any, result: TuneResult) -> None:
    """Stopping policies that no other one beats, and the one that the recipe has."""
    saved = [100 * policy.steps_saved for policy in result.front]
    regret = [policy.regret for policy in result.front]
    axes.plot(saved, regret, color=PALETTE.series[0], marker="o", markersize=3.5, drawstyle="steps-post")
    for policy in result.front:
        if is_chosen(policy, result.recipe.stopper):
            point = {"color": PALETTE.recipe, "marker": "o", "markersize": 8, "linestyle": "none"}
            axes.plot(100 * policy.steps_saved, policy.regret, label="the recipe's", **point)
            axes.legend(loc="upper left", frameon=False)
    axes.set_xlabel("steps saved (%)")
    axes.set_ylabel("quality given up")
    axes.set_ylim(bottom=min(0.0, *regret))


def draw_replay(axes: Any, replay: Replay) -> None:
    """Every policy's regret against the steps that it saves, and what a clairvoyant saves."""
    for name in sorted({policy.stopper.name for policy in replay.results}):
        policies = [policy for policy in replay.results if policy.stopper.name == name]
        # A logarithm has no place for policies that give nothing up.
        axes.scatter(
            [policy.saved for policy in policies], [max(policy.regret, 1e-5) for policy in policies], s=8, label=name
        )
    axes.axvline(replay.clairvoyant, linestyle="--", linewidth=1, label="clairvoyant")
    axes.set(xlabel="share of steps saved", ylabel="share of the gain given up", yscale="log")
    axes.legend(frameon=False)


def draw_race(axes: Any, result: TuneResult) -> None:
    """Every candidate's objective at the last rung it reached, in the order proposed, and the best so far."""
    judged = sorted(result.judged, key=lambda pair: pair[0].number)
    dropped = [(proposal.number, outcome.objective) for proposal, outcome in judged if not outcome.complete]
    finished = [(proposal.number, outcome.objective) for proposal, outcome in judged if outcome.complete]
    if dropped:
        axes.scatter(*zip(*dropped, strict=True), s=14, color=PALETTE.muted, alpha=0.55, linewidth=0, label="dropped")
    if finished:
        numbers, objectives = zip(*finished, strict=True)
        axes.scatter(numbers, objectives, s=20, color=PALETTE.series[0], linewidth=0, label="ran on all tasks")
        best = np.maximum.accumulate(objectives)
        axes.plot(numbers, best, color=PALETTE.recipe, drawstyle="steps-post", label="best so far")
    axes.set_xlabel("candidate")
    axes.set_ylabel("objective")
    axes.figure.legend(loc="outside upper left", ncols=3, frameon=False, handletextpad=0.3, columnspacing=1.0)


def draw_rungs(axes: Any, result: TuneResult) -> None:
    """The race: every candidate's objective after each block of tasks."""
    winner = result.recipe.configuration.key
    for proposal, outcome in reversed(result.judged):
        won = proposal.configuration.key == winner
        colour = PALETTE.recipe if won else PALETTE.series[0] if outcome.complete else PALETTE.muted
        axes.plot(
            list(outcome.rungs),
            list(outcome.rungs.values()),
            color=colour,
            alpha=1.0 if won else 0.5 if outcome.complete else 0.35,
            linewidth=2.0 if won else 0.8,
            marker="o",
            markersize=4 if won else 2,
            zorder=3 if won else 2,
        )
    axes.set_xticks(sorted({size for _, outcome in result.judged for size in outcome.rungs}))
    axes.set_xlabel("tasks done")
    axes.set_ylabel("objective")


def draw_importance(axes: Any, shares: Mapping[str, float], count: int = 10) -> None:
    """How much of the objective's variance each choice explains."""
    shown = list(shares.items())[:count]
    axes.barh(range(len(shown)), [share for _, share in shown], color=PALETTE.series[0], height=0.6)
    axes.set_yticks(range(len(shown)), [name for name, _ in shown])
    axes.set_ylim(max(len(shown), 4) - 0.5, -0.5)
    axes.set_xlabel("share of the objective's variance")
    axes.tick_params(axis="y", length=0)


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


def _recipe_last(contenders: Sequence[str]) -> list[str]:
    return sorted(contenders, key=lambda name: name == RECIPE)


def _line(name: str, contenders: Sequence[str]) -> dict[str, Any]:
    return {"color": PALETTE.of(name, contenders), "linewidth": 2.2 if name == RECIPE else 1.2, "label": name}


def _beside(colour: str, x: float, y: float, side: str) -> dict[str, Any]:
    return {"xytext": (x, y), "textcoords": "offset points", "color": colour, "ha": side, "va": "bottom"}


def _curve(comparison: Comparison, name: str, task: str) -> np.ndarray:
    return np.asarray(comparison.curves.get((name, task), ()))


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _on_grid(curve: np.ndarray) -> np.ndarray:
    return np.asarray(np.interp(GRID, np.arange(1, len(curve) + 1) / len(curve), curve))


def literal(name: str, limit: int = 40) -> str:
    """A name that people gave, as matplotlib draws it: on one line, cut, and no formula between dollar signs."""
    line = "".join(char if char.isprintable() else " " for char in name)
    return (line if len(line) <= limit else f"{line[: limit - 1]}…").replace("$", r"\$")


def draw_sweep(axes: Any, sweep: RateSweep) -> None:
    """Loss against rate with standard errors; lines at what the recipe says and at what is suggested."""
    frame = sweep.to_frame()
    known = frame[np.isfinite(frame["loss"])]
    errors = known["error"].fillna(0.0)
    axes.errorbar(
        known["rate"], known["loss"], yerr=errors, color=PALETTE.series[0], capsize=2, marker="o", markersize=3
    )
    if sweep.diverges_from is not None:
        axes.axvspan(sweep.diverges_from, sweep.rates[-1], color=PALETTE.muted, alpha=0.12, linewidth=0)
    axes.axvline(sweep.law_rate, color=PALETTE.muted, linestyle=":", label="the recipe's")
    if sweep.suggestion is not None:
        axes.axvline(sweep.suggestion, color=PALETTE.recipe, label="suggested")
    axes.set_xscale("log")
    axes.set_xlabel("peak rate (shaded: diverges)" if sweep.diverges_from is not None else "peak rate")
    axes.set_ylabel(sweep.measured)
    axes.legend(frameon=False)
