"""Matplotlib's figures as inline SVG in the colours of the page, and as PNG files. Alone loads matplotlib."""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from metaopt.errors import MetaOptError
from metaopt.files import replace_file
from metaopt.report.plots.comparison import draw_task
from metaopt.report.plots.palette import PALETTE
from metaopt.report.plots.rates import draw_sweep
from metaopt.report.plots.stopping import draw_replay
from metaopt.tuning import Comparison, RateSweep, Replay

Draw = Callable[[Any], None]

#: Inches; narrow, so that the text is readable where a phone shows the drawing across its whole width.
SIZE = (4.3, 3.0)
TASK_SIZE = (1.9, 1.45)
DPI = 160
#: Columns of small drawings in the PNG of tasks, and of sweeps of rates.
TASK_COLUMNS = 4
SWEEP_COLUMNS = 3
_STYLE: Any = {
    "axes.edgecolor": PALETTE.muted,
    "axes.labelcolor": PALETTE.muted,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": PALETTE.ink,
    "axes.titlesize": 9,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.size": 9,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "metaopt",
    "text.color": PALETTE.ink,
    "xtick.color": PALETTE.muted,
    "ytick.color": PALETTE.muted,
    "ytick.labelcolor": PALETTE.ink,
}
#: What matplotlib says of the file, of which a page has its own.
_UNSAID: Any = {"Date": None, "Creator": None, "Format": None, "Type": None}


def svg_and_png(draw: Draw, name: str, title: str, path: Path | None) -> Markup:
    """Draw once: the inline SVG, whose text and colours are the page's, and the PNG with its title.

    Args:
        draw: draws on axes.
        name: of the drawing; identifiers within the SVG begin with it.
        title: what it shows; a screen reader says it.
        path: of the PNG; None for none.

    Raises:
        OSError: it cannot be written.
    """
    with _figure(SIZE) as (figure, axes):
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=_UNSAID)
        if path is not None:
            axes.set_title(title, loc="left")
            _write_png(figure, path)
    return inline_svg(buffer.getvalue(), name, title)


def inline_svg(document: str, name: str, title: str) -> Markup:
    """An SVG document of matplotlib's as a part of a page: no size of its own, the page's colours, unique identifiers.

    Raises:
        MetaOptError: there is no SVG in it.
    """
    start = document.find("<svg")
    if start < 0:
        raise MetaOptError("matplotlib wrote a drawing that is no SVG.")
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", document[start:], flags=re.DOTALL)
    for colour, variable in PALETTE.variables().items():
        body = body.replace(colour, f"var({variable})")
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    body = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", body)
    body = re.sub(r'((?:url\(|href="|id=")#?)(?=[\w-])', rf"\g<1>{name}-", body)
    opening, rest = body.split(">", 1)
    opening = re.sub(r' (?:width|height|version|xmlns)="[^"]*"', "", opening)
    label = Markup(' role="img" aria-label="{}"').format(title)
    return Markup(f"<svg{label}{opening.removeprefix('<svg')}>{rest}")


def write_tasks(comparison: Comparison, tasks: Sequence[str], contenders: Sequence[str], path: Path) -> None:
    """Small drawings of tasks side by side, with one legend, as a PNG.

    Raises:
        OSError: it cannot be written.
    """
    rows = -(-len(tasks) // TASK_COLUMNS)
    height = TASK_SIZE[1] * rows + 0.5
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(TASK_SIZE[0] * TASK_COLUMNS, height))
        FigureCanvasAgg(figure)
        grid = figure.subplots(rows, TASK_COLUMNS, squeeze=False).flatten()
        # Placed by hand: a layout that is solved for takes seconds for some fifty axes.
        edges = {"left": 0.05, "right": 0.98, "bottom": 0.75 / height, "top": 1 - 0.3 / height}
        figure.subplots_adjust(**edges, wspace=0.25, hspace=0.55)
        for axes, task in zip(grid, tasks, strict=False):
            draw_task(axes, comparison, task, contenders)
        for axes in grid[len(tasks) :]:
            axes.set_axis_off()
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=min(len(labels), 4) or 1, frameon=False)
        _write_png(figure, path)


def write_replay(replay: Replay, path: Path) -> None:
    """The plot of a replay, in the format of the file's name."""
    with _figure((6.4, 4.4)) as (figure, axes):
        draw_replay(axes, replay)
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
            draw_sweep(axes, sweep)
            axes.set_title(name, loc="left", pad=16)
        for axes in grid[len(sweeps) :]:
            axes.set_axis_off()
        _write_png(figure, path)


@contextmanager
def _figure(size: tuple[float, float]) -> Iterator[tuple[Figure, Any]]:
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots()


def _write_png(figure: Figure, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix.removeprefix(".") or "png", dpi=DPI, facecolor="#fcfcfa")
    replace_file(path, content.getvalue())
