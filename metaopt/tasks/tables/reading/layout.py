"""How the cells of a text file are laid out: what separates them, and where the header stands."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

#: What may stand between cells, and how it is called.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}

#: Rows that are looked at.
_MOST_ROWS = 200
#: Characters that hold them.
_MOST_CHARACTERS = 1_000_000
#: Share of the rows that have the same number of cells where a separator is one.
_SAME = 0.8

_SAYS = re.compile(r"\ufeff?\"?sep=(.)\"?\r?\n", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """How a file is laid out.

    Attributes:
        separator: what stands between cells.
        skipped: lines at the beginning that are about the layout, and no rows.
        preamble: lines after these that look like no header and no row.
    """

    separator: str
    skipped: int = 0
    preamble: int = 0


def layout_of(text: str, told: str | None = None) -> Layout:
    """The separator that gives the header most cells while the rows have as many; a comma where none does.

    A first line such as `sep=;`, which spreadsheets write, says it.

    Args:
        text: of the file.
        told: the separator, where somebody says so.
    """
    says = _SAYS.match(text)
    if says is not None:
        separator = told or says[1]
        return Layout(separator, 1, _preamble(text[says.end() :], separator))
    if told is not None:
        return Layout(told, preamble=_preamble(text, told))
    sightings = [_sighted(text, separator) for separator in SEPARATORS]
    comma = sightings[0]
    others = [sighting for sighting in sightings[1:] if _is_better(sighting, comma)]
    fitting = [sighting for sighting in others if sighting.header == 0]
    if fitting:
        best = max(fitting, key=lambda sighting: sighting.width)
    elif comma.first > 1 or not others:
        best = comma
    else:  # the header stands further down
        best = min([comma, *others] if comma.width > 1 else others, key=lambda each: (each.header, -each.width))
    return Layout(best.separator, preamble=_preamble(text, best.separator))


def _is_better(sighting: "_Sighting", comma: "_Sighting") -> bool:
    """Whether another separator tells more cells apart than commas do, or as many where sentences hold commas."""
    if sighting.width < 2:
        return False
    may_be_sentences = comma.width != comma.first or sighting.separator == "\t"
    return sighting.width > comma.first or (may_be_sentences and sighting.header == 0 and sighting.width >= comma.width)


@dataclass(frozen=True)
class _Sighting:
    """What the first rows are under a separator: the first one's cells, those of most, and which is the first such."""

    separator: str
    first: int
    width: int
    header: int


def _sighted(text: str, separator: str) -> _Sighting:
    rows = _rows(text, separator)
    width = _common_width(rows[len(rows) // 3 :])
    header = next((place for place, (_, row) in enumerate(rows) if len(row) == width), len(rows))
    return _Sighting(separator, len(rows[0][1]) if rows else 0, width, header)


def _rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """The first rows that are not blank, each with the number of the line that it begins in, from 0."""
    reader = csv.reader(io.StringIO(text[:_MOST_CHARACTERS], newline=""), delimiter=separator, skipinitialspace=True)
    rows: list[tuple[int, list[str]]] = []
    line = 0
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((line, row))
            line = reader.line_num
            if len(rows) >= _MOST_ROWS:
                break
    except csv.Error:
        pass  # reading the file says what is wrong
    return rows


def _common_width(rows: Sequence[tuple[int, list[str]]]) -> int:
    """The number of cells that nearly all rows have; 0 where there is none."""
    if not rows:
        return 0
    width, count = Counter(len(row) for _, row in rows).most_common(1)[0]
    return width if count >= _SAME * len(rows) else 0


def _preamble(text: str, separator: str) -> int:
    """Lines before the header: they have at most half as many cells as nearly all others, or one that is filled."""
    rows = _rows(text, separator)
    width = _common_width(rows[len(rows) // 3 :])
    if width < 2 or not rows:
        return 0
    first = rows[0][1]
    if len(first) == width:  # a spreadsheet fills lines up with separators
        if width < 3 or _filled(first) > 1:
            return 0
        return next((line for line, row in rows if _filled(row) > 1 + width // 2), 0)
    if _filled(first) > width // 2:
        return 0
    return next((line for line, row in rows if len(row) == width), 0)


def _filled(row: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in row)
