"""Cells of later rows, read as those of training rows were: a single row settles neither its dates nor its commas."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import quoted
from metaopt.tasks.tables.columns.cells import BOOLEANS, GAPS, clean, numbers_in
from metaopt.tasks.tables.columns.clock_times import Times, read_times
from metaopt.tasks.tables.columns.conversion import CellFormat
from metaopt.tasks.tables.columns.date_parts import date_parts, time_parts
from metaopt.tasks.tables.columns.dates import Moments, from_numbers, read_dates
from metaopt.tasks.tables.columns.decimal_marks import is_doubtful
from metaopt.tasks.tables.columns.features import MAX_MAGNITUDE
from metaopt.tasks.tables.columns.number_formats import is_mark
from metaopt.tasks.tables.columns.numbers import Numbers, amount_in, read_numbers
from metaopt.tasks.tables.refusal import Refusal

if TYPE_CHECKING:
    import pandas as pd

_PLURALS = {
    "number": "numbers",
    "boolean": "true or false",
    "date": "dates",
    "time of day": "times of day",
    "duration": "durations",
}
_CORRECT = "correct it, or leave the cell empty"


def reread(
    column: "pd.Series[Any]", format: CellFormat, decimal: str | None = None, first_year: int | None = None
) -> list[NDArray[np.float64]] | Refusal:
    """The parts of a column, in the order in which `convert` made those of training rows.

    Where the new cells settle by themselves what they mean (`0,5`, `2024-01-31`, `31/12/2024`), that holds; where they
    do not, they mean what the training rows' did.

    Args:
        column: numbers, booleans, dates, or text.
        format: of the training rows.
        decimal: the decimal mark that other columns of the new rows settle.
        first_year: the earliest year that two digits may mean, where the owner says so.

    Returns:
        The parts, shape (rows,) each, NaN for gaps; or which cell is none of the training rows' kind.
    """
    if format.kind in ("number", "boolean"):
        numbers = _numbers(column, format, decimal)
        return numbers if isinstance(numbers, Refusal) else [numbers]
    if format.kind == "date":
        moments = _moments(column, format, first_year)
        if isinstance(moments, Refusal):
            return moments
        return list(date_parts(Moments(moments, format.has_clock), elapsed=format.elapsed).values())
    hours = _hours(column, format)
    if isinstance(hours, Refusal):
        return hours
    return list(time_parts(Times(hours, format.kind == "time of day")).values())


def _numbers(column: "pd.Series[Any]", format: CellFormat, decimal: str | None) -> "NDArray[np.float64] | Refusal":
    if column.dtype.kind == "M" and column.notna().any():
        return _among(column, int(np.flatnonzero(column.notna())[0]), format)
    if column.dtype.kind == "M":
        return np.full(len(column), np.nan)
    if column.dtype.kind in "biuf":
        return _finite(column, numbers_in(column).to_numpy(dtype=np.float64))
    codes, texts = _factorized(column)
    values = np.full(len(texts), np.nan)
    if format.ticked:
        values[:] = 0.0
    filled = [place for place, text in enumerate(texts) if not (text in GAPS or is_mark(text)) or text in _TICKS]
    read = _amounts([texts[place] for place in filled], str(column.name), format, decimal)
    if isinstance(read, Refusal):
        return read
    values[filled] = read
    spread = np.append(values, 0.0 if format.ticked else np.nan)[codes]
    wrong = {place for place, value in zip(filled, read, strict=True) if np.isnan(value)}
    if wrong:
        return _among(column, next(row for row, code in enumerate(codes) if code in wrong), format)
    return _finite(column, spread)


#: Signs that say yes and would else stand for gaps.
_TICKS = frozenset("✓✔✗●")


def _amounts(
    texts: Sequence[str], name: str, format: CellFormat, decimal: str | None
) -> "NDArray[np.float64] | Refusal":
    """Different cells as numbers; NaN where one is none."""
    import pandas as pd

    plain: NDArray[np.float64]
    if texts and all(text in BOOLEANS or (format.ticked and not _is_amount(text)) for text in texts):
        return np.array([float(BOOLEANS.get(text, True)) for text in texts])
    plain = numbers_in(pd.Series(list(texts), dtype=object)).to_numpy(dtype=np.float64)
    if not np.isnan(plain).any() and not is_doubtful(texts):
        return plain
    read = read_numbers(texts, name, decimal or format.decimal or None)
    if isinstance(read, Numbers):
        # Signs of money may be left out; 30 % may be 30 or 0.3 where training rows have no such sign.
        if read.unit != format.unit and read.unit and (format.unit or read.unit == "%"):
            text = next(text for text in texts if (amount := amount_in(text)) is not None and amount.unit)
            trained = f"in {format.unit}" if format.unit else "without a unit"
            fault = f" holds {quoted(text)}, in {read.unit}, and training rows are {trained}"
            return Refusal(name, fault, "write all in one unit")
        if np.isnan(read.values).any() and not np.isnan(plain).all():
            return np.where(np.isnan(read.values), plain, read.values)
        return read.values
    if "decimal" in read.settings:
        return Refusal(name, read.fault, "and nothing in training rows says which; write 1234.5 instead")
    return Refusal(name, read.fault, read.advice)


def _is_amount(text: str) -> bool:
    return amount_in(text) is not None


def _finite(column: "pd.Series[Any]", values: NDArray[np.float64]) -> "NDArray[np.float64] | Refusal":
    huge = np.flatnonzero(np.abs(values) > MAX_MAGNITUDE)
    if len(huge):
        fault = f": row {huge[0] + 1} holds {values[huge[0]]:g}; numbers must be finite and at most {MAX_MAGNITUDE:g}"
        return Refusal(str(column.name), fault, _CORRECT)
    return values + 0.0


def _moments(
    column: "pd.Series[Any]", format: CellFormat, first_year: int | None
) -> "NDArray[np.datetime64] | Refusal":
    if column.dtype.kind == "M":
        dates: NDArray[np.datetime64] = column.to_numpy("datetime64[s]")
        return dates
    if column.dtype.kind in "biuf":
        moments = from_numbers(column.to_numpy(dtype=np.float64)).values
        wrong = np.flatnonzero(np.isnat(moments) & column.notna().to_numpy())
        return _among(column, wrong[0], format) if len(wrong) else moments
    codes, texts = _factorized(column)
    filled = [place for place, text in enumerate(texts) if not (text in GAPS or is_mark(text))]
    written, name = [texts[place] for place in filled], str(column.name)
    read = read_dates(written, name, None, first_year)
    if isinstance(read, Refusal) and format.order:
        read = read_dates(written, name, format.order, first_year)
    if isinstance(read, Refusal):
        return Refusal(name, read.fault, "write dates as 2024-01-31")
    values = np.full(len(texts) + 1, np.datetime64("NaT"), dtype="datetime64[s]")
    values[filled] = read.values
    wrong_texts = {place for place, value in zip(filled, read.values, strict=True) if np.isnat(value)}
    if wrong_texts:
        return _among(column, next(row for row, code in enumerate(codes) if code in wrong_texts), format)
    spread: NDArray[np.datetime64] = values[codes]
    return spread


def _hours(column: "pd.Series[Any]", format: CellFormat) -> "NDArray[np.float64] | Refusal":
    if column.dtype.kind in "iuf" and not column.notna().any():
        return np.full(len(column), np.nan)
    if column.dtype.kind in "biufM":
        return _among(column, int(np.flatnonzero(column.notna())[0]), format)
    codes, texts = _factorized(column)
    filled = [place for place, text in enumerate(texts) if not (text in GAPS or is_mark(text))]
    read = read_times([texts[place] for place in filled]).hours
    values = np.full(len(texts) + 1, np.nan)
    values[filled] = read
    wrong = {place for place, value in zip(filled, read, strict=True) if np.isnan(value)}
    if wrong:
        return _among(column, next(row for row, code in enumerate(codes) if code in wrong), format)
    spread: NDArray[np.float64] = values[codes]
    return spread


def _factorized(column: "pd.Series[Any]") -> tuple[NDArray[np.intp], list[str]]:
    """A number a cell, -1 for gaps, and the different texts."""
    import pandas as pd

    codes, raw = pd.factorize(column)
    return codes, [clean(str(text)) for text in raw]


def _among(column: "pd.Series[Any]", row: int, format: CellFormat) -> Refusal:
    """A cell that is none of the kind that the training rows' are."""
    value = column.iloc[row]
    shown = quoted(value.item() if isinstance(value, np.generic) else value if isinstance(value, str) else str(value))
    wanted = f"training rows have {_PLURALS[format.kind]} there"
    return Refusal(str(column.name), f": row {row + 1} holds {shown}, and {wanted}", _CORRECT)
