"""One CSV file as a data frame, or a sentence that says why not."""

import csv
import io
import math
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.errors import InputError, first_line, listed, quoted
from metaopt.files import read_text
from metaopt.tasks.tables.cells import GAPS, clean, typed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GAPS", "MIN_ROWS", "read_csv"]

MIN_ROWS = 10

#: What else may stand between cells.
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def read_csv(path: Path, labels: Collection[str] = ()) -> "pd.DataFrame":
    """The table in a CSV file, header first; `.gz` is decompressed.

    Cells are separated by commas; those in `GAPS` are gaps. Blank lines are skipped. See
    `metaopt.tasks.tables.cells` for what makes a column one of numbers.

    Args:
        path: of the file.
        labels: columns that hold labels although they look like numbers.

    Raises:
        InputError: unreadable, ragged, without a header, with two columns of one name, with another header among its
            rows, of fewer than two columns or MIN_ROWS rows.
    """
    import pandas as pd

    frame = read_cells(path, "it needs features and, last, a target")
    names, cells = list(frame.columns), frame.set_axis(range(frame.shape[1]), axis="columns")
    _check_header(names, cells, path)
    if len(cells) < MIN_ROWS:
        raise InputError(
            f"{path} has {len(cells)} rows; a table needs at least {MIN_ROWS} to be split into training, validation "
            "and test rows."
        )
    columns = [typed(cells[place], as_labels=name in labels) for place, name in enumerate(names)]
    return pd.concat(columns, axis="columns", keys=names)


def read_cells(path: Path, wanted: str, *, skip_blank_lines: bool = True) -> "pd.DataFrame":
    """The cells of a CSV file as they stand there, header first; `.gz` is decompressed.

    Args:
        path: of the file.
        wanted: what its columns should be, for messages.
        skip_blank_lines: whether lines without a cell are left out; otherwise they are rows of empty cells.

    Returns:
        Text in all cells, columns under names without spaces around.

    Raises:
        InputError: unreadable, ragged, of one column, or with two columns of one name.
    """
    text = _text(path)
    names = _names(text, path, wanted)
    return _cells(text, len(names), path, skip_blank_lines).set_axis(names, axis="columns")


def _text(path: Path) -> str:
    try:
        text = read_text(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read as CSV: {first_line(error)}; correct the file.") from error
    except ValueError as error:
        what = first_line(error)
        if what.startswith("it is "):
            raise InputError(f"{path} {what.removeprefix('it ')}.") from error
        raise InputError(f"{path} cannot be read as CSV: {what}; correct the file.") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(
            f"{path} holds null bytes, the first in line {line}; it is damaged or no text: export it again."
        )
    if not text.strip():
        raise InputError(f"{path} is empty; it needs a header and rows.")
    return text


def _names(text: str, path: Path, wanted: str) -> list[str]:
    """The columns' names; what has none is `Unnamed: ` and its place from 0, as pandas calls it."""
    lines = io.StringIO(text, newline="")
    try:
        header = next(row for row in csv.reader(lines, skipinitialspace=True) if row)
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as CSV: {error}; correct the file.") from error
    names = [clean(name) or f"Unnamed: {place}" for place, name in enumerate(header)]
    for mark, called in _SEPARATORS.items():
        if sum(name.count(mark) for name in header) >= len(names):
            only = f"only the column {quoted(names[0])}" if len(names) == 1 else f"the columns {listed(names, 3)}"
            raise InputError(
                f"{path} has {only}; {wanted}, separated by commas, and seems to have "
                f"{called} instead: save it with commas between cells and points in decimals."
            )
    if len(names) < 2:
        raise InputError(f"{path} has only the column {quoted(names[0])}; {wanted}, separated by commas.")
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise InputError(
            f"{path} has several columns of one name, {listed(repeated, 4)} (spaces around names do not count); "
            "rename or remove all but one."
        )
    return names


def _cells(text: str, num_columns: int, path: Path, skip_blank_lines: bool) -> "pd.DataFrame":
    """The rows; the columns are called 0, 1 and so on."""
    import warnings

    import pandas as pd

    try:
        with warnings.catch_warnings():
            # a warning, to pandas, that it drops the cells beyond the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.StringIO(text, newline=""),
                header=0,
                names=range(num_columns),
                index_col=False,
                dtype=object,
                na_filter=False,
                skipinitialspace=True,
                skip_blank_lines=skip_blank_lines,
            ).fillna("")  # where a row is too short
    except pd.errors.ParserWarning as error:
        raise InputError(f"{path} has rows with more cells than its header has names; make them equal.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        what = str(error).strip().removeprefix("Error tokenizing data. C error: ").rstrip(".")
        raise InputError(f"{path} cannot be read as CSV: {what}; correct the file.") from error


def _check_header(names: list[str], cells: "pd.DataFrame", path: Path) -> None:
    numbers = [name for name in names if _is_measurement(name)]
    if numbers:
        raise InputError(
            f"{path} has the number {quoted(numbers[0])} for a column's name; its first line must be a header."
        )
    whole = [int(name) for name in names if name.isdecimal() and len(name) < 16]
    if len(whole) >= max(2, len(names) - 1) and not _is_ordered(whole):
        raise InputError(
            f"{path} has the numbers {listed(whole, 4)} for names of columns; its first line must be a header."
        )
    repeats = _equal(cells, names)
    others = cells.drop(index=repeats)
    if len(whole) < len(names) and all(_holds(others[place], name) for place, name in enumerate(names)):
        raise InputError(
            f"{path}: the first line, {listed(names, 4)}, looks like a row of data, for each name is among the values "
            "of its column; it must be a header."
        )
    if repeats:
        raise InputError(
            f"{path}: row {repeats[0] + 1} after the header is the header again ({len(repeats)} such rows in all), as "
            "where files were joined; remove it."
        )


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
        value = float(name)
    except ValueError:
        return False
    return math.isfinite(value) and not value.is_integer()
