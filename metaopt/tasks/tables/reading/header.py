"""The names of a table's columns: one each, and none that is a row of data."""

import csv
import io
import math
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.errors import InputError, listed, quoted
from metaopt.tasks.tables.columns.cells import clean
from metaopt.tasks.tables.refusal import refused_file
from metaopt.tasks.tables.settings import TableSettings

if TYPE_CHECKING:
    import pandas as pd

_WANTED = "it needs features and, last, a target"
#: Words from which a column's name is a sentence.
_SENTENCE = 4
_NO_HEADER = "write header = false in corpus.toml where it has none"


def names_of(text: str, path: Path, separator: str, settings: TableSettings, wanted: str | None = None) -> list[str]:
    """The columns' names; what has none is `Unnamed: ` and its place from 0, as pandas calls it.

    Without a header, columns are called `column 1` and so on.

    Args:
        text: of the file, from the header on.
        path: of the file.
        separator: what stands between cells.
        settings: what `corpus.toml` says.
        wanted: what its columns should be, for messages of readers that check their number themselves.

    Raises:
        InputError: there is one column, or two of one name.
    """
    lines = io.StringIO(text, newline="")
    try:
        header = next(row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row)
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as CSV: {error}; correct the file.") from error
    except StopIteration:
        raise InputError(f"{path} has no header and no rows after what skip_lines leaves out.") from None
    if not settings.header:
        return [f"column {place}" for place in range(1, len(header) + 1)]
    names = [clean(name) or f"Unnamed: {place}" for place, name in enumerate(header)]
    if len(names) < 2 and wanted is None:
        raise InputError(
            f"{path} has only the column {quoted(names[0])}; {_WANTED}, separated by commas, semicolons, tabs or "
            "vertical bars."
        )
    return _told_apart(names) if settings.number_names else _different(names, path)


def _different(names: list[str], path: Path) -> list[str]:
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise refused_file(
            f"{path} has several columns of one name, {listed(repeated, 4)} (spaces around names do not count); "
            "rename or remove all but one, or write number_names = true in corpus.toml.",
            {"number_names": True},
        )
    return names


def _told_apart(names: list[str]) -> list[str]:
    taken: set[str] = set()
    for place, name in enumerate(names):
        number = 1
        while names[place] in taken:
            number += 1
            names[place] = f"{name} {number}"
        taken.add(names[place])
    return names


def without_header_again(
    names: list[str], cells: "pd.DataFrame", path: Path, settings: TableSettings
) -> "pd.DataFrame":
    """The rows without those that repeat the header, where the settings say so.

    Raises:
        InputError: there are such rows, and nobody says so.
    """
    repeats = _equal(cells, names)
    if repeats and "repeated_header" in settings.drop_rows:
        return cells.drop(index=repeats).reset_index(drop=True)
    _check_first_row(names, cells.drop(index=repeats), path)
    if repeats:
        raise refused_file(
            f"{path}: row {repeats[0] + 1} after the header is the header again ({len(repeats)} such rows in all), as "
            'where files were joined; remove it, or write drop_rows = ["repeated_header"] in corpus.toml.',
            {"drop_rows": ["repeated_header"]},
        )
    return cells


def check_header(names: list[str], cells: "pd.DataFrame", path: Path) -> None:
    """Refuse a first line that is a row of data.

    Args:
        names: the columns' names.
        cells: the rows, columns called 0, 1 and so on.
        path: of the file.

    Raises:
        InputError: it looks like one.
    """
    numbers = [name for name in names if _is_measurement(name)]
    if numbers:
        raise refused_file(
            f"{path} has the number {quoted(numbers[0])} for a column's name; its first line must be a header "
            f"({_NO_HEADER}).",
            {"header": False},
        )
    whole = _whole(names)
    if len(whole) >= max(2, len(names) - 1) and not _is_ordered(whole):
        raise refused_file(
            f"{path} has the numbers {listed(whole, 4)} for names of columns; its first line must be a header "
            f"({_NO_HEADER}).",
            {"header": False},
        )
    _check_first_row(names, cells, path)


def _check_first_row(names: list[str], cells: "pd.DataFrame", path: Path) -> None:
    if _is_labelled_text(names, cells):
        raise refused_file(
            f"{path}: the first line looks like a text, {quoted(max(names, key=len))}, with its label "
            f"{quoted(min(names, key=len))}, which other rows have, too; it must be a header ({_NO_HEADER}).",
            {"header": False},
        )
    if len(_whole(names)) < len(names) and all(_holds(cells[place], name) for place, name in enumerate(names)):
        raise refused_file(
            f"{path}: the first line, {listed(names, 4)}, looks like a row of data, for each name is among the values "
            f"of its column; it must be a header ({_NO_HEADER}).",
            {"header": False},
        )


def _is_labelled_text(names: list[str], cells: "pd.DataFrame") -> bool:
    """Whether the names of two columns are a text of several words and a label that rows have."""
    if len(names) != 2:
        return False
    label, text = sorted((0, 1), key=lambda place: len(names[place]))
    return len(names[text].split()) >= _SENTENCE and _holds(cells[label], names[label])


def _whole(names: list[str]) -> list[int]:
    return [int(name) for name in names if name.isdecimal() and len(name) < 16]


def _equal(cells: "pd.DataFrame", names: list[str]) -> list[int]:
    """Rows, from 0, whose cells are the columns' names."""
    rows = list(range(len(cells)))
    for place, name in enumerate(names):
        column = cells[place].to_numpy()
        rows = [row for row in rows if name[0] in str(column[row]) and clean(str(column[row])) == name]
        if not rows:
            break
    return rows


def _holds(column: "pd.Series[str]", name: str) -> bool:
    return any(clean(str(text)) == name for text in column.unique())


def _is_ordered(numbers: list[int]) -> bool:
    """Whether numbers are names, such as 0, 1, 2 or 2019, 2020, and no measurements."""
    steps = [after - before for before, after in pairwise(numbers)]
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)


def _is_measurement(name: str) -> bool:
    """Whether a column's name is a number with a fraction, as a first row of data has them; 0, 1, 2 are names."""
    try:
        value = float(name.replace(",", "."))
    except ValueError:
        return False
    return math.isfinite(value) and not value.is_integer()
