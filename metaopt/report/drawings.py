"""The plots of a report: which ones a result has something to show for, and what they say below them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from markupsafe import Markup

from metaopt.report import canvas
from metaopt.report.headlines import contenders, measured
from metaopt.report.plots.comparison import draw_curves, draw_profile, draw_scores, draw_worth, recipe_band
from metaopt.report.plots.race import MOST_DROPPED, MOST_FINISHED, MOST_LINES, draw_importance, draw_race, draw_rungs
from metaopt.report.plots.stopping import draw_stopping
from metaopt.report.task_charts import MOST_CHARTS, with_curves
from metaopt.tuning import Comparison, TuneResult, importances


@dataclass(frozen=True)
class Drawing:
    """One plot.

    Attributes:
        title: what it shows.
        caption: how to read it.
        draw: draws it on axes.
    """

    title: str
    caption: str
    draw: canvas.Draw


@dataclass(frozen=True)
class Drawn:
    """A plot as the page shows it."""

    title: str
    caption: str
    svg: Markup


def draw_all(result: TuneResult, folder: Path | None) -> dict[str, Drawn]:
    """Every plot that the result has something to show for, by name; each written as `<name>.png` too.

    Args:
        result: of a study.
        folder: where PNG files go; None for none.

    Raises:
        OSError: one cannot be written.
    """
    shown = {}
    for name, drawing in drawings(result).items():
        path = None if folder is None else folder / f"{name}.png"
        svg = canvas.svg_and_png(drawing.draw, name, drawing.title, path)
        shown[name] = Drawn(drawing.title, drawing.caption, svg)
    if folder is not None:
        for name, comparison in (("tasks_held_out", result.comparison), ("tasks_tuning", result.tuning_comparison)):
            tasks = [] if comparison is None else with_curves(comparison)
            if comparison is not None and tasks:
                canvas.write_tasks(comparison, tasks[:MOST_CHARTS], contenders(result), folder / f"{name}.png")
    return shown


def drawings(result: TuneResult) -> dict[str, Drawing]:
    """The plots by name, in the order of the page."""
    return dict([*_of_comparison(result), *_of_curves(result), *_of_search(result)])


def _of_comparison(result: TuneResult) -> Iterator[tuple[str, Drawing]]:
    comparison = measured(result)
    if comparison is None:
        return
    both = result.comparison is not None and result.tuning_comparison is not None
    over = "" if comparison.over == "tasks" else f" over {comparison.over}"
    caption = (
        f"Mean over tasks with its 95 % interval{over}.{' Filled: held out. Hollow: tuning tasks.' if both else ''}"
    )
    draw = partial(draw_scores, held_out=result.comparison, tuning=result.tuning_comparison)
    yield "scores", Drawing("Test scores", caption, draw)
    if comparison.expected:
        caption = "Where the curve crosses the level is what one run of the recipe is worth. Shaded: 95 % intervals."
        yield "worth", Drawing("Worth in trials", caption, partial(draw_worth, comparison=comparison))
    caption = "Share of runs that are as good as the baseline's end; higher and further left is better."
    yield "profile", Drawing("Time to target", caption, partial(draw_profile, comparison=comparison))


def _of_curves(result: TuneResult) -> Iterator[tuple[str, Drawing]]:
    for name, title, comparison in (
        ("curves_held_out", "Held-out tasks, mean", result.comparison),
        ("curves_tuning", "Tuning tasks, mean", result.tuning_comparison),
    ):
        if comparison is not None and with_curves(comparison):
            caption = "Test score of the checkpoint kept so far, as if nothing had stopped the run. Shaded: 95 %."
            yield name, Drawing(title, caption, partial(_draw_curves, comparison=comparison, names=contenders(result)))


def _draw_curves(axes: object, comparison: Comparison, names: list[str]) -> None:
    draw_curves(axes, comparison, recipe_band(comparison), names)


def _of_search(result: TuneResult) -> Iterator[tuple[str, Drawing]]:
    if len(result.front) > 1:
        caption = "Each dot a policy that no other one beats, replayed over recorded curves of the finalists."
        yield "stopping", Drawing("Steps saved, quality given up", caption, partial(draw_stopping, result=result))
    if not result.judged:
        return
    finished = sum(outcome.complete for _, outcome in result.judged)
    many = len(result.judged) - finished > MOST_DROPPED or finished > MOST_FINISHED
    caption = "Objective on the tuning tasks at the last block of tasks that a candidate reached."
    yield "race", Drawing("Candidates", f"{caption}{_not_all(many)}", partial(draw_race, result=result))
    if max(len(outcome.rungs) for _, outcome in result.judged) > 1:
        caption = "After each block of tasks the best of all so far go on. The recipe stands out."
        caption = f"{caption}{_not_all(len(result.judged) > MOST_LINES)}"
        yield "rungs", Drawing("The race", caption, partial(draw_rungs, result=result))
    for name, importance in importances(result).items():
        caption = (
            f"How differently the best {importance.best} of {importance.candidates:,} candidates chose, next to all of "
            f"them (PED-ANOVA), on the first block of tasks.{' So few are a hint.' if importance.is_rough else ''}"
        )
        own = f"{result.recipe.configuration.optimizer}."  # the title says whose they are
        shares = {parameter.removeprefix(own): share for parameter, share in importance.shares.items()}
        yield name, Drawing(importance.title, caption, partial(draw_importance, shares=shares))


def _not_all(many: bool) -> str:
    return " So many are drawn in part, spread evenly over all." if many else ""
