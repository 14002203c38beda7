"""The picture of the README, drawn from `benchmarks/results/held_out_curves.json`.

An SVG with a background of its own, so that it is legible on light and dark pages; colours of Okabe and Ito, which are
told apart with any colour vision, a dash pattern each, and names at the curves' ends.
"""

import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

CURVES = "held_out_curves.json"
PICTURE = Path("docs/pictures/held_out_curves.svg")

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 78, 150, 52, 56
#: Colour, width and dash pattern of each curve, in the order of the contenders.
STYLES = (("#0072B2", 3.5, ""), ("#555555", 2.0, "7 4"), ("#009E73", 2.0, "2 3"), ("#D55E00", 2.0, "9 3 2 3"))
TICKS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
FONT = "font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'"


def drawn(folder: Path) -> str:
    """The text of the SVG."""
    report = json.loads((folder / CURVES).read_text(encoding="utf-8"))
    names, tasks = report["contenders"], list(report["tasks"].values())
    quartiles = {name: [_quartiles(at) for at in zip(*(task[name] for task in tasks), strict=True)] for name in names}
    plotted = {name: values[1:] for name, values in quartiles.items()}  # the start is the same for all
    low = min(at[0] for values in plotted.values() for at in values)
    high = max(at[1] for values in plotted.values() for at in values)
    axes = _Axes(low / 1.03, high * 1.05, len(quartiles[names[0]]) - 1)
    parts = [_frame(report, len(tasks)), *axes.grid()]
    parts.append(_band(plotted[names[0]], axes, STYLES[0][0]))
    for name, (colour, width, dashes) in reversed(list(zip(names, STYLES, strict=True))):
        parts.append(_line([at[1] for at in plotted[name]], axes, colour, width, dashes))
    ends = {name: axes.y(values[-1][1]) for name, values in plotted.items()}
    for (name, y), (colour, _, _) in zip(_spread(ends).items(), STYLES, strict=True):
        weight = "bold" if name == names[0] else "normal"
        parts.append(_text(axes.right + 8, y + 4, name, fill=colour, size=14, weight=weight))
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Axes:
    """The map from validations and multiples to pixels."""

    def __init__(self, low: float, high: float, count: int) -> None:
        self.low, self.high, self.count = low, high, count
        self.left, self.right, self.top, self.bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM

    def x(self, validation: float) -> float:
        return self.left + (self.right - self.left) * validation / self.count

    def y(self, multiple: float) -> float:
        share = math.log(multiple / self.low) / math.log(self.high / self.low)
        return self.bottom - (self.bottom - self.top) * share

    def grid(self) -> list[str]:
        parts = []
        for tick in (tick for tick in TICKS if self.low <= tick <= self.high):
            y, colour = self.y(tick), "#888888" if tick == 1 else "#e3e3e3"
            parts.append(f"<path d='M{self.left} {y:.1f}H{self.right}' stroke='{colour}' stroke-width='1'/>")
            parts.append(_text(self.left - 8, y + 4, f"{tick:g}", anchor="end"))
        for percent in (0, 25, 50, 75, 100):
            x = self.x(percent / 100 * self.count)
            parts.append(f"<path d='M{x:.1f} {self.bottom}v5' stroke='#888888'/>")
            parts.append(_text(x, self.bottom + 20, f"{percent} %", anchor="middle"))
        middle = (self.left + self.right) / 2
        parts.append(_text(middle, self.bottom + 42, "share of the planned steps", anchor="middle", size=13))
        turned = f"transform='rotate(-90 20 {(self.top + self.bottom) / 2:.0f})'"
        label = "test loss, multiple of AdamW's last"
        parts.append(_text(20, (self.top + self.bottom) / 2, label, anchor="middle", size=13, more=turned))
        return parts


def _frame(report: dict[str, object], num_tasks: int) -> str:
    families = report["families"]
    assert isinstance(families, list)
    title = f"{num_tasks} tasks of {len(families)} kinds that no tuning saw: median, and the middle half for the recipe"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' "
        f"role='img' {FONT}>\n<title>{title}</title>\n"
        f"<rect width='{WIDTH}' height='{HEIGHT}' rx='8' fill='#ffffff'/>\n" + _text(LEFT, 28, title, size=14)
    )


def _line(values: Sequence[float], axes: _Axes, colour: str, width: float, dashes: str) -> str:
    points = " ".join(f"{axes.x(at):.1f},{axes.y(value):.1f}" for at, value in enumerate(values, start=1))
    pattern = f" stroke-dasharray='{dashes}'" if dashes else ""
    return f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='{width}'{pattern}/>"


def _band(quartiles: Sequence[tuple[float, float, float]], axes: _Axes, colour: str) -> str:
    there = [(at, quartile[0]) for at, quartile in enumerate(quartiles, start=1)]
    back = [(at, min(quartile[2], axes.high)) for at, quartile in reversed(list(enumerate(quartiles, start=1)))]
    points = " ".join(f"{axes.x(at):.1f},{axes.y(value):.1f}" for at, value in there + back)
    return f"<polygon points='{points}' fill='{colour}' fill-opacity='0.15'/>"


def _spread(heights: dict[str, float], least: float = 17) -> dict[str, float]:
    """Heights of labels, moved apart where they would overlap."""
    moved: dict[str, float] = {}
    for name in sorted(heights, key=lambda name: heights[name]):
        moved[name] = max(heights[name], max(moved.values(), default=-math.inf) + least)
    excess = max(0.0, max(moved.values()) - (HEIGHT - BOTTOM))
    return {name: moved[name] - excess for name in heights}


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: int = 12,
    fill: str = "#333333",
    weight: str = "normal",
    more: str = "",
) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-size='{size}' fill='{fill}' "
        f"font-weight='{weight}' {more}>{text}</text>"
    )


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high
