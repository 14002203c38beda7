"""Plots as drawings for a page, in its colours, and as PNG files. Needs matplotlib."""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from metaopt.errors import MetaOptError
from metaopt.files import replace_file
from metaopt.report import html, plots
from metaopt.report.headlines import measured
from metaopt.tuning import Comparison, RateSweep, Replay, TuneResult, importances

Draw = Callable[[Any], None]

#: Inches; narrow, so that the text is readable where a phone shows the drawing across its whole width.
SIZE = (4.3, 3.0)
TASK_SIZE = (1.9, 1.45)
DPI = 160
#: Columns of small drawings in the PNG of all tasks.
_COLUMNS = 4
#: Columns of sweeps of rates.
SWEEP_COLUMNS = 3
_STYLE: Any = {
    "axes.edgecolor": plots.PALETTE.muted,
    "axes.labelcolor": plots.PALETTE.muted,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": plots.PALETTE.ink,
    "axes.titlesize": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 9,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "metaopt",
    "text.color": plots.PALETTE.ink,
    "xtick.color": plots.PALETTE.muted,
    "ytick.color": plots.PALETTE.muted,
    "ytick.labelcolor": plots.PALETTE.ink,
}


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
    draw: Draw


@dataclass(frozen=True)
class Drawings:
    """All plots of a report.

    Attributes:
        named: plots by name, as far as the result has what they show.
        contenders: in the order of tables.
        tasks: comparisons whose tasks are drawn one by one, by the name of the file.
    """

    named: dict[str, Drawing]
    contenders: list[str]
    tasks: dict[str, Comparison] = field(default_factory=dict)

    @classmethod
    def of(cls, result: TuneResult) -> "Drawings":
        """Everything that the result has something to show for."""
        comparison = measured(result)
        tasks = {"tasks_held_out": result.comparison, "tasks_tuning": result.tuning_comparison}
        return cls(
            named=dict(_named(result)),
            contenders=[] if comparison is None else comparison.contenders,
            tasks={
                name: compared for name, compared in tasks.items() if compared is not None and _with_curves(compared)
            },
        )

    def save(self, folder: Path) -> None:
        """Write each plot as `<name>.png`."""
        for name, drawing in self.named.items():
            with _figure(SIZE) as (figure, axes):
                drawing.draw(axes)
                axes.set_title(drawing.title, loc="left")
                _write_png(figure, folder / f"{name}.png")
        for name, comparison in self.tasks.items():
            _write_png(_all_tasks(comparison, self.contenders), folder / f"{name}.png")

    def figures(self, *names: str) -> str:
        """The named plots that the result has, side by side where the page is wide enough."""
        drawings = [self.named[name] for name in names if name in self.named]
        if not drawings:
            return ""
        parts = [
            f"<figure><h3>{escape(drawing.title)}</h3>{_svg(drawing.draw, SIZE, drawing.title)}"
            f"<figcaption>{escape(drawing.caption)}</figcaption></figure>"
            for drawing in drawings
        ]
        return f'<div class="figures">{"".join(parts)}</div>'

    def task_figures(self, name: str) -> str:
        """A small drawing for each task."""
        if name not in self.tasks:
            return ""
        comparison = self.tasks[name]
        drawn = [
            html.figure(
                _svg(partial(plots.draw_task, comparison=comparison, task=task), TASK_SIZE, f"Curves of {task}")
            )
            for task in _with_curves(comparison)
        ]
        return f'<div class="tasks">{"".join(drawn)}</div>'

    def key(self) -> str:
        """Which colour is whose."""
        variables = plots.PALETTE.variables()
        items = "".join(
            f'<li style="color: var({variables[plots.PALETTE.of(name, self.contenders)]})"><i></i>'
            f"<span>{escape(name)}</span></li>"
            for name in self.contenders
        )
        return f'<ul class="key">{items}</ul>'


def _named(result: TuneResult) -> Iterator[tuple[str, Drawing]]:
    yield from _of_comparison(result)
    for name, title, comparison in (
        ("curves_held_out", "Held-out tasks, mean", result.comparison),
        ("curves_tuning", "Tuning tasks, mean", result.tuning_comparison),
    ):
        if comparison is not None and _with_curves(comparison):
            caption = "Test score of the checkpoint kept so far, as if nothing had stopped the run. Shaded: 95 %."
            draw = partial(plots.draw_curves, comparison=comparison, band=plots.recipe_band(comparison))
            yield name, Drawing(title, caption, draw)
    if len(result.front) > 1:
        caption = "Each dot a policy that no other one beats, replayed over recorded curves of the finalists."
        yield "stopping", Drawing("Steps saved, quality given up", caption, partial(plots.draw_stopping, result=result))
    yield from _of_race(result)


def _of_comparison(result: TuneResult) -> Iterator[tuple[str, Drawing]]:
    comparison = measured(result)
    if comparison is None:
        return
    both = result.comparison is not None and result.tuning_comparison is not None
    over = "" if comparison.over == "tasks" else f" over {comparison.over}"
    caption = (
        f"Mean over tasks with its 95 % interval{over}.{' Filled: held out. Hollow: tuning tasks.' if both else ''}"
    )
    draw = partial(plots.draw_scores, held_out=result.comparison, tuning=result.tuning_comparison)
    yield "scores", Drawing("Test scores", caption, draw)
    if comparison.expected:
        caption = "Where the curve crosses the level is what one run of the recipe is worth. Shaded: 95 % intervals."
        yield "worth", Drawing("Worth in trials", caption, partial(plots.draw_worth, comparison=comparison))
    caption = "Share of runs that are as good as the baseline's end; higher and further left is better."
    yield "profile", Drawing("Time to target", caption, partial(plots.draw_profile, comparison=comparison))


def _of_race(result: TuneResult) -> Iterator[tuple[str, Drawing]]:
    if not result.judged:
        return
    caption = "Objective on the tuning tasks at the last block of tasks that a candidate reached."
    yield "race", Drawing("Candidates", caption, partial(plots.draw_race, result=result))
    if max(len(outcome.rungs) for _, outcome in result.judged) > 1:
        caption = "After each block of tasks the best of all so far go on. The recipe stands out."
        yield "rungs", Drawing("The race", caption, partial(plots.draw_rungs, result=result))
    for name, (title, shares) in importances(result).items():
        caption = "Share of the variance that each explains (functional ANOVA), on the first block of tasks."
        yield name, Drawing(title, caption, partial(plots.draw_importance, shares=shares))


def write_replay(replay: Replay, path: Path) -> None:
    """The plot of a replay, in the format of the file's name."""
    with _figure((6.4, 4.4)) as (figure, axes):
        plots.draw_replay(axes, replay)
        _write_png(figure, path)


def write_sweeps(sweeps: Mapping[str, RateSweep], path: Path) -> None:
    """Sweeps of rates by task, each on axes of its own, in the format of the file's name."""
    rows = -(-len(sweeps) // SWEEP_COLUMNS)
    columns = min(len(sweeps), SWEEP_COLUMNS)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(4.3 * columns, 3.2 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, columns, squeeze=False).flatten()
        for axes, (name, sweep) in zip(grid, sweeps.items(), strict=False):
            plots.draw_sweep(axes, sweep)
            axes.set_title(name, loc="left")
        for axes in grid[len(sweeps) :]:
            axes.set_axis_off()
        _write_png(figure, path)


def _with_curves(comparison: Comparison) -> list[str]:
    names = comparison.contenders
    return [task for task in comparison.tasks if any(len(comparison.curves.get((name, task), ())) for name in names)]


@contextmanager
def _figure(size: tuple[float, float]) -> Iterator[tuple[Figure, Any]]:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots()


def _svg(draw: Draw, size: tuple[float, float], title: str) -> str:
    """The plot as inline SVG whose colours are the page's variables."""
    with _figure(size) as (figure, axes):
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    start = text.find("<svg")
    if start < 0:
        raise MetaOptError("matplotlib wrote a drawing that is no SVG.")
    body = re.sub(r"<metadata>.*?</metadata>", "", text[start:], flags=re.DOTALL)
    for colour, variable in plots.PALETTE.variables().items():
        body = body.replace(colour, f"var({variable})")
    body = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", body)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body)
    return body.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)


def _all_tasks(comparison: Comparison, contenders: list[str]) -> Figure:
    tasks = _with_curves(comparison)
    rows = -(-len(tasks) // _COLUMNS)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(TASK_SIZE[0] * _COLUMNS, TASK_SIZE[1] * rows + 0.4), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
        for axes, task in zip(grid, tasks, strict=False):
            plots.draw_task(axes, comparison, task)
        for axes in grid[len(tasks) :]:
            axes.set_axis_off()
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(contenders), frameon=False)
    return figure


def _write_png(figure: Figure, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.removeprefix(".") or "png", dpi=DPI, facecolor="#fcfcfa")
    replace_file(path, content.getvalue())
