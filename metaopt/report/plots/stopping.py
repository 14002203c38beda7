"""Plots of stopping policies: what they save against what they give up."""

from typing import Any

from metaopt.report.plots.palette import PALETTE, legend_above
from metaopt.tuning import Replay, TuneResult, is_chosen


def draw_stopping(axes: Any, result: TuneResult) -> None:
    """Stopping policies that no other one beats, and the one that the recipe has."""
    saved = [100 * policy.steps_saved for policy in result.front]
    regret = [policy.regret for policy in result.front]
    axes.plot(saved, regret, color=PALETTE.series[0], marker="o", markersize=3.5, drawstyle="steps-post")
    for policy in result.front:
        if is_chosen(policy, result.recipe.stopper):
            point = {"color": PALETTE.recipe, "marker": "o", "markersize": 8, "linestyle": "none"}
            axes.plot(100 * policy.steps_saved, policy.regret, label="the recipe's", **point)
    axes.set_xlabel("steps saved (%)")
    axes.set_ylabel("quality given up")
    axes.set_ylim(bottom=min(0.0, *regret))
    legend_above(axes)


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
    legend_above(axes)
