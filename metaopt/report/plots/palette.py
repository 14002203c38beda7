"""Which colour and which dashes are whose, in every plot alike; and names as matplotlib draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from metaopt.tuning import RECIPE

_SERIES = ("#2f6db3", "#2c8c7c", "#8a63b5", "#b08420", "#74808d")
#: Of the first contenders that share a colour, of the second, and so on; in units of the line's width.
_DASHES = ((), (4.0, 2.0), (1.0, 1.5))


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

    def dashes(self, contender: str, contenders: Sequence[str]) -> tuple[float, ...]:
        """Lengths of a contender's dashes and gaps: what tells apart those that share a colour; empty for none."""
        others = [name for name in contenders if name != RECIPE]
        if contender == RECIPE:
            return ()
        return _DASHES[others.index(contender) // len(self.series) % len(_DASHES)]

    def variable(self, contender: str, contenders: Sequence[str]) -> str:
        """The CSS variable of a contender's colour."""
        return self.variables()[self.of(contender, contenders)]

    def variables(self) -> dict[str, str]:
        """CSS variable by colour."""
        named = {self.ink: "--ink", self.muted: "--muted", self.rule: "--rule", self.recipe: "--recipe"}
        return {**named, **{colour: f"--series-{index}" for index, colour in enumerate(self.series, start=1)}}


PALETTE = Palette()


def recipe_last(contenders: Sequence[str]) -> list[str]:
    """In the order in which lines are drawn: the recipe's lies over the others."""
    return sorted(contenders, key=lambda name: name == RECIPE)


def line_style(name: str, contenders: Sequence[str]) -> dict[str, Any]:
    """How a contender's line is drawn."""
    return {
        "color": PALETTE.of(name, contenders),
        "linestyle": (0, PALETTE.dashes(name, contenders)) if PALETTE.dashes(name, contenders) else "solid",
        "linewidth": 2.2 if name == RECIPE else 1.2,
        "label": literal(name),
    }


def legend_above(axes: Any, columns: int = 3) -> None:
    """A legend outside of the axes, where it lies over nothing."""
    if axes.get_legend_handles_labels()[0]:
        axes.figure.legend(
            loc="outside upper left", ncols=columns, frameon=False, handletextpad=0.4, columnspacing=1.0, borderpad=0.0
        )


def literal(name: str, limit: int = 40) -> str:
    """A name that people gave, as matplotlib draws it: on one line, cut, and no formula between dollar signs."""
    line = "".join(char if char.isprintable() else " " for char in name)
    return (line if len(line) <= limit else f"{line[: limit - 1]}…").replace("$", r"\$")
