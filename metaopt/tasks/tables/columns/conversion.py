"""A column as numbers: as it is, out of another dress, or in the parts of dates; or why it cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import listed, quoted
from metaopt.tasks.tables.columns.cells import clean, numbers_in
from metaopt.tasks.tables.columns.clock_times import Times, read_times
from metaopt.tasks.tables.columns.date_parts import date_parts, named_parts, time_parts
from metaopt.tasks.tables.columns.dates import Moments, from_numbers, read_dates
from metaopt.tasks.tables.columns.number_formats import DATES, TIMES, Share, is_mark, look_at
from metaopt.tasks.tables.columns.numbers import Numbers, amount_in, read_numbers
from metaopt.tasks.tables.refusal import Refusal
from metaopt.tasks.tables.settings import TableSettings

if TYPE_CHECKING:
    import pandas as pd

#: Different texts among numbers that are offered as marks for gaps; more are labels.
_MOST_MARKS = 5

#: How dates written in numbers are called.
_SHOWN_ORDERS = {"day-first": "day first", "month-first": "month first", "year-first": "year first", "": ""}


@dataclass(frozen=True)
class How:
    """What is known of a file before its columns are read.

    Attributes:
        settings: what `corpus.toml` says.
        decimal: the decimal mark of columns that do not settle theirs; None where nobody knows.
        ticked: columns in which a blank says no.
    """

    settings: TableSettings = field(default_factory=TableSettings)
    decimal: str | None = None
    ticked: tuple[str, ...] = ()

    def order_of(self, name: str) -> str | None:
        """The order of numbers in a column's dates, where the owner says it."""
        if name in self.settings.dates:
            return self.settings.dates[name]
        told = self.settings.day_first
        return None if told is None else "day-first" if told else "month-first"


@dataclass(frozen=True)
class CellFormat:
    """How a column's cells were read, so that those of later rows are read alike, however few they are.

    Attributes:
        kind: what they are.
        decimal: the decimal mark of numbers, where it matters.
        unit: of numbers, where cells have one.
        order: of numbers in dates, where it matters; see `metaopt.tasks.tables.settings.ORDERS`.
        has_clock: whether dates have a time of day.
        elapsed: whether years and days gone by are inputs, see `date_parts`.
        ticked: whether a blank says no.
    """

    kind: Literal["number", "boolean", "date", "time of day", "duration"] = "number"
    decimal: str = ""
    unit: str = ""
    order: str = ""
    has_clock: bool = False
    elapsed: bool = True
    ticked: bool = False


@dataclass(frozen=True, eq=False)
class Converted:
    """A column as numbers.

    Attributes:
        parts: float64 columns by name; gaps as NaN.
        meaning: what they are, for people.
        moments: of the rows, if the column holds dates.
        format: how its cells were read.
    """

    parts: "dict[str, pd.Series[Any]]"
    meaning: str
    moments: Moments | None = None
    format: CellFormat = field(default_factory=CellFormat)


def decimal_in(frame: "pd.DataFrame", settings: TableSettings) -> str | None:
    """The decimal mark of a file: what its owner says, or the one that all columns have that settle theirs."""
    if settings.decimal is not None:
        return settings.decimal
    marks: set[str] = set()
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind == "f" and bool((column.dropna() % 1 != 0).any()):
            marks.add(".")
        elif column.dtype.kind == "O":
            texts = _texts(column)
            share = look_at(texts, [1] * len(texts))
            if share.format not in (DATES, TIMES) and (share.is_foreign or 2 * share.plain > share.total):
                numbers = read_numbers([text for text in texts if amount_in(text) is not None], "", None)
                if isinstance(numbers, Numbers) and numbers.decimal:
                    marks.add(numbers.decimal)
    return marks.pop() if len(marks) == 1 else None


def convert(column: "pd.Series[Any]", how: How) -> Converted | Refusal | None:
    """The column as numbers, why it cannot be used, or None if its cells are labels.

    Args:
        column: not empty: numbers, booleans, dates, or text as `metaopt.tasks.tables.columns.cells.typed` leaves it.
        how: what is known of the file.
    """
    name = str(column.name)
    if column.dtype.kind == "M":
        return _dated(column, Moments(column.to_numpy("datetime64[s]"), _has_clock(column)), how)
    if column.dtype.kind in "biuf":
        numbers = numbers_in(column).astype(np.float64)
        return _counted(column, numbers, "boolean" if column.dtype.kind == "b" else "number", how)
    codes, texts = _factorized(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    share = look_at(texts, list(counts))
    if name in how.settings.dates:
        share = replace(share, format=DATES, foreign=max(share.foreign, 1), plain=share.total)
    if share.is_foreign:
        return _foreign(column, codes, texts, share, how)
    numbers = numbers_in(column).astype(np.float64)
    wrong = np.flatnonzero(numbers.isna() & column.notna())
    if not share.has_gap_marks and len(wrong) > column.notna().sum() / 2:
        return None
    odd = [int(place) for place in wrong if not is_mark(clean(str(column.iloc[place])))]
    if odd:
        return _odd(column, odd, "number", how)
    return _counted(column, numbers, "number" + _gaps(column, wrong), how)


def _counted(column: "pd.Series[Any]", numbers: "pd.Series[Any]", meaning: str, how: How) -> Converted:
    """Plain numbers, or dates such as 20210131 among them."""
    if column.name in how.settings.dates or are_dates(numbers):
        moments = from_numbers(numbers.to_numpy())
        if not np.isnat(moments.values[numbers.notna()]).any():
            return _dated(column, moments, how, meaning.partition("number")[2])
    decimal = "." if numbers.dropna().mod(1).any() else ""
    kind: Literal["number", "boolean"] = "boolean" if column.dtype.kind == "b" else "number"
    told = CellFormat(kind, decimal, ticked=column.name in how.ticked)
    return Converted({str(column.name): numbers}, meaning, format=told)


def are_dates(numbers: "pd.Series[Any]") -> bool:
    """Whether whole numbers are dates such as 20210131: all of them are, and not all the same."""
    filled = numbers.dropna()
    if filled.nunique() < 2 or not filled.between(19_000_101, 21_001_231).all() or not (filled % 1 == 0).all():
        return False
    months, days = filled // 100 % 100, filled % 100
    return bool(months.between(1, 12).all() and days.between(1, 31).all())


def _foreign(
    column: "pd.Series[Any]", codes: NDArray[np.intp], texts: Sequence[str], share: Share, how: How
) -> Converted | Refusal:
    name = str(column.name)
    filled = [text for text in texts if not is_mark(text)]
    read: Moments | Times | Numbers | Refusal
    if share.format == DATES:
        read = read_dates(filled, name, how.order_of(name), how.settings.first_year)
    elif share.format == TIMES:
        read = read_times(filled)
    else:
        read = read_numbers(filled, name, how.decimal, is_told=how.settings.decimal is not None)
    if isinstance(read, Refusal):
        return read
    values = read.values if not isinstance(read, Times) else read.hours
    unread = {text for text, is_gap in zip(filled, np.isnan(values.astype(np.float64)), strict=True) if is_gap} \
        if not isinstance(read, Moments) else \
        {text for text, is_gap in zip(filled, np.isnat(values), strict=True) if is_gap}  # fmt: skip
    if unread:
        odd = [place for place, code in enumerate(codes) if code >= 0 and texts[code] in unread]
        return _odd(column, odd, {DATES: "date", TIMES: "time"}.get(share.format, "number"), how)
    place_of = {text: place for place, text in enumerate(filled)}
    places = np.array([place_of.get(texts[code], -1) if code >= 0 else -1 for code in codes])
    marked = np.flatnonzero((codes >= 0) & (places < 0))
    if isinstance(read, Moments):
        spread = np.full(len(column), np.datetime64("NaT"), dtype="datetime64[s]")
        spread[places >= 0] = read.values[places[places >= 0]]
        return _dated(column, Moments(spread, read.has_clock, read.order), how, _gaps(column, marked))
    hours = np.full(len(column), np.nan)
    hours[places >= 0] = values[places[places >= 0]]
    if isinstance(read, Times):
        parts = named_parts(column, time_parts(Times(hours, read.are_of_day)))
        meaning = "time of day" if read.are_of_day else "duration in hours"
        told = CellFormat("time of day" if read.are_of_day else "duration")
        return Converted(parts, meaning + _gaps(column, marked), format=told)
    import pandas as pd

    unit = f" ({read.unit})" if read.unit else ""
    decimal = {",": ", decimal comma", ".": "", "": ""}[read.decimal]
    meaning = f"number{unit}{decimal}{_gaps(column, marked)}"
    told = CellFormat(decimal=read.decimal, unit=read.unit)
    return Converted({name: pd.Series(hours, index=column.index)}, meaning, format=told)


def _dated(column: "pd.Series[Any]", moments: Moments, how: How, gaps: str = "") -> Converted:
    elapsed = how.settings.time != column.name
    parts = named_parts(column, date_parts(moments, elapsed=elapsed))
    clock = " and time" if moments.has_clock else ""
    order = f", {_SHOWN_ORDERS[moments.order]}" if moments.order else ""
    told = CellFormat("date", order=moments.order, has_clock=moments.has_clock, elapsed=elapsed)
    return Converted(parts, f"date{clock}{order}{gaps}", moments, told)


def _has_clock(column: "pd.Series[Any]") -> bool:
    filled = column.dropna()
    return bool((filled != filled.dt.normalize()).any())


def _odd(column: "pd.Series[Any]", odd: Sequence[int], kind: str, how: How) -> Refusal:
    """A cell among numbers or dates that is none, and nobody says that it is a gap."""
    name = str(column.name)
    first = column.iloc[odd[0]]
    texts = list(dict.fromkeys(str(column.iloc[place]) for place in odd))
    settings: dict[str, Any] = (
        {"gaps": texts}
        if len(texts) <= _MOST_MARKS
        else {"categories": [name]}
        if kind == "number"
        else {"drop": [name]}
    )
    advice = (
        f"correct it, leave the cell empty, list it under gaps ({listed(texts)}) or the column under categories in "
        "corpus.toml"
        if len(texts) <= _MOST_MARKS
        else "correct it, leave the cell empty, or list the column under categories in corpus.toml"
    )
    among = f"{kind}s"
    return Refusal(
        name,
        f": row {odd[0] + 1} after the header holds {quoted(first)} among {among}",
        advice,
        settings=settings,
        choice=f"{quoted(texts[0])} in {quoted(name)} is a gap" if "gaps" in settings else "",
    )


def _gaps(column: "pd.Series[Any]", places: Any) -> str:
    marks = list(dict.fromkeys(clean(str(column.iloc[place])) for place in places[:1000]))
    return f", {listed(marks, 3)} as gaps" if marks else ""


def _factorized(column: "pd.Series[Any]") -> tuple[NDArray[np.intp], list[str]]:
    """A number a cell, -1 for gaps, and the different texts."""
    import pandas as pd

    codes, raw = pd.factorize(column)
    return codes, [clean(str(text)) for text in raw]


def _texts(column: "pd.Series[Any]") -> list[str]:
    return list(dict.fromkeys(clean(str(text)) for text in column.dropna().unique()))
