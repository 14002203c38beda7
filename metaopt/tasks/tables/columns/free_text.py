"""Columns whose cells are texts: nearly each is another one, and most of it is letters."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: Cells by which letters are counted.
_MOST_CELLS = 1000
#: Different cells that a column of labels may have, however few rows there are.
_FEW = 5


def differ_mostly(filled: "pd.Series[Any]") -> bool:
    """Whether the cells of a column, gaps left out, are too different for labels: more than half of them differ."""
    return bool(filled.nunique() > max(_FEW, len(filled) / 2))


def is_prose(filled: "pd.Series[Any]") -> bool:
    """Whether most of what the cells of a column hold is letters, as in words and names, but not in codes."""
    cells = [str(cell) for cell in filled.iloc[:_MOST_CELLS]]
    letters = sum(character.isalpha() for cell in cells for character in cell)
    marks = sum(not character.isspace() for cell in cells for character in cell)
    return 2 * letters > marks
