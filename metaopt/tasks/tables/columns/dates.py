"""Dates as people and programs write them, read by calendar and never by guess.

Numbers alone, as in `03/01/2024`, are read in the one order that makes every cell of the column a date. Where several
do, the owner is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import quoted
from metaopt.tasks.tables.columns.written_date import WrittenDate, written_date
from metaopt.tasks.tables.refusal import Refusal

#: Places of day, month and year among three numbers.
_PLACES: Mapping[str, tuple[int, int, int]] = {
    "day-first": (0, 1, 2),
    "month-first": (1, 0, 2),
    "year-first": (2, 1, 0),
}

#: Years of two digits mean these and no others; what lies between, nobody knows.
_LAST_OF_2000 = 30
_FIRST_OF_1900 = 69

#: Years beyond these are mistakes, or marks for gaps such as 9999.
FIRST_YEAR, LAST_YEAR = 1000, 2999


@dataclass(frozen=True, eq=False)
class Moments:
    """What a column of dates says.

    Attributes:
        values: seconds since 1970, as datetime64; NaT where a text is no date.
        has_clock: whether any has a time of day.
        order: in which numbers were read, where that mattered.
    """

    values: "NDArray[np.datetime64]"
    has_clock: bool
    order: str = ""


def read_dates(
    texts: Sequence[str], column: str, order: str | None = None, first_year: int | None = None
) -> Moments | Refusal:
    """The dates in a column.

    Args:
        texts: its different cells that are no gaps.
        column: its name, for messages.
        order: of numbers, where the owner says so; see `metaopt.tasks.tables.settings.ORDERS`.
        first_year: the earliest year that two digits may mean, where the owner says so.

    Returns:
        The dates; or why nobody can say which they are: an order or a century that is unsure, zones beside none.
    """
    written = [written_date(text) for text in texts]
    numbered = [parts.numbers for parts in written if parts is not None and parts.numbers is not None]
    settled = _settled_order(numbered, order, column, texts, written)
    if isinstance(settled, Refusal):
        return settled
    doubtful = _doubtful_century(written, settled, first_year, column)
    if doubtful is not None:
        return doubtful
    zones = {parts.zone for parts in written if parts is not None and parts.seconds is not None}
    if None in zones and len(zones) > 1:
        with_zone = next(text for text, parts in zip(texts, written, strict=True) if parts and parts.zone is not None)
        return Refusal(
            column, f" has times with a zone, such as {quoted(with_zone)}, and times without", "write all in one zone",
            "zones beside none", {"drop": [column]},
        )  # fmt: skip
    utc = len(zones) > 1
    values = np.full(len(texts), np.datetime64("NaT"), dtype="datetime64[s]")
    for place, parts in enumerate(written):
        moment = None if parts is None else _moment(parts, settled, first_year, utc)
        if moment is not None:
            values[place] = moment
    has_clock = any(parts is not None and parts.seconds for parts in written)
    return Moments(values, has_clock, settled if numbered else "")


def from_numbers(numbers: "NDArray[np.float64]") -> Moments:
    """Whole numbers such as 20210131 as dates; NaN is NaT."""
    texts = ["" if np.isnan(number) else f"{number:.0f}" for number in numbers]
    moments = read_dates(texts, "")
    assert isinstance(moments, Moments)
    return moments


def _settled_order(
    numbered: Sequence[tuple[str, str, str]],
    told: str | None,
    column: str,
    texts: Sequence[str],
    written: Sequence[WrittenDate | None],
) -> str | Refusal:
    """The order of numbers: the one that fits them all, or that the owner says."""
    if not numbered:
        return ""
    if told is not None:
        return told
    shares = {order: sum(_fits(numbers, order) for numbers in numbered) for order in _PLACES}
    fitting = [order for order, share in shares.items() if share == len(numbered)]
    first = next(text for text, parts in zip(texts, written, strict=True) if parts and parts.numbers)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        differing = (
            text
            for text, parts in zip(texts, written, strict=True)
            if parts and parts.numbers and len({_calendar(parts.numbers, order, None) for order in fitting}) > 1
        )
        example = next(differing, None)
        return fitting[0] if example is None else _asked(column, example, fitting)
    best = max(shares, key=lambda order: shares[order])
    if shares[best] >= 0.9 * len(numbered) and all(
        share < 0.9 * shares[best] for order, share in shares.items() if order != best
    ):
        return best  # the others are no dates, and will be named one by one
    return Refusal(
        column,
        f" holds dates in several orders, such as {quoted(first)}: no order of day, month and year fits all",
        "write all alike",
        "orders are mixed",
        {"drop": [column]},
    )


def _asked(column: str, text: str, fitting: Sequence[str]) -> Refusal:
    readings = {order: _shown(text, order) for order in fitting}
    said = " or ".join(f"{reading} ({order})" for order, reading in readings.items())
    first, *others = fitting
    return Refusal(
        column,
        f" holds dates such as {quoted(text)}, which may be {said}; no cell settles it",
        f'say it in corpus.toml, such as dates = {{{quoted(column)} = "{first}"}}',
        "say their order under dates",
        {"dates": {column: first}},
        "or " + ", ".join(f'"{order}"' for order in others) + f": {quoted(text)} in {quoted(column)} is {said}",
    )


def _shown(text: str, order: str) -> str:
    parts = written_date(text)
    assert parts is not None
    assert parts.numbers is not None
    year, month, day = _calendar(parts.numbers, order, None)
    return f"{year:04}-{month:02}-{day:02}"


def _calendar(numbers: tuple[str, str, str], order: str, first_year: int | None) -> tuple[int, int, int]:
    day, month, year = (numbers[place] for place in _PLACES[order])
    return (int(year) if len(year) == 4 else _full_year(int(year), first_year)), int(month), int(day)


def _fits(numbers: tuple[str, str, str], order: str) -> bool:
    if len(numbers[2]) == 4 and order == "year-first":
        return False
    return _is_date(*_calendar(numbers, order, None))


def _full_year(short: int, first_year: int | None) -> int:
    if first_year is not None:
        return first_year + (short - first_year) % 100
    return 2000 + short if short < _FIRST_OF_1900 else 1900 + short


def _doubtful_century(
    written: Sequence[WrittenDate | None], order: str, first_year: int | None, column: str
) -> Refusal | None:
    """Two digits from 31 to 68 may be years gone by, or to come."""
    if first_year is not None:
        return None
    for parts in written:
        if parts is None or not parts.short_year:
            continue
        year = (
            int(parts.numbers[_PLACES[order][2]]) if parts.numbers is not None else parts.date[0] if parts.date else 0
        )
        if _LAST_OF_2000 < year < _FIRST_OF_1900:
            return Refusal(
                column,
                f" holds years of two digits such as {year}, which may be 19{year} or 20{year}",
                "write the earliest possible year, such as first_year = 1931, in corpus.toml",
                "say first_year",
                {"first_year": 1931},
                f"the earliest year that two digits may mean: 1931 makes {year} 19{year}",
            )
    return None


def _moment(parts: WrittenDate, order: str, first_year: int | None, utc: bool) -> "np.datetime64 | None":
    if parts.numbers is not None:
        year, month, day = _calendar(parts.numbers, order, first_year)
    else:
        assert parts.date is not None
        year, month, day = parts.date
        year = _full_year(year, first_year) if parts.short_year else year
    if not _is_date(year, month, day):
        return None
    seconds = (parts.seconds or 0.0) - (60 * (parts.zone or 0) if utc else 0)
    return np.datetime64(f"{year:04}-{month:02}-{day:02}", "s") + np.timedelta64(round(seconds), "s")


def _is_date(year: int, month: int, day: int) -> bool:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return False
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
