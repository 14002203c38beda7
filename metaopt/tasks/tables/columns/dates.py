"""Dates as people and programs write them, read by calendar and never by guess.

Numbers alone, as in `03/01/2024`, are read in the one order that makes every cell of the column a date. Where several
do, the owner is asked.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import quoted
from metaopt.tasks.tables.columns.clock_times import CLOCK, ZONE, seconds_of, zone_of
from metaopt.tasks.tables.refusal import Refusal

_MONTHS = {
    **dict.fromkeys(("jan", "ene", "gen"), 1),
    **dict.fromkeys(("feb", "fév", "fev"), 2),
    **dict.fromkeys(("mar", "mär", "maerz"), 3),
    **dict.fromkeys(("apr", "abr", "avr"), 4),
    **dict.fromkeys(("may", "mai", "mag"), 5),
    **dict.fromkeys(("jun", "juin", "giu"), 6),
    **dict.fromkeys(("jul", "juil", "lug"), 7),
    **dict.fromkeys(("aug", "aoû", "aou", "ago"), 8),
    **dict.fromkeys(("sep", "set"), 9),
    **dict.fromkeys(("oct", "okt", "ott"), 10),
    **dict.fromkeys(("nov",), 11),
    **dict.fromkeys(("dec", "dez", "dic", "déc"), 12),
}
_WEEKDAY = r"(?:[a-zé]{3,9}[.,]?\s)?"
_NAME = r"(?P<name>[a-zäéû]{3,10})\.?"
_YEAR = r"(?P<year>\d{4}|['’]?\d{2})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?"

_SHAPES = {
    "iso": re.compile(r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})"),
    "numbers": re.compile(r"(\d{1,2})([-/]|\.\s?)(\d{1,2})\2(\d{4}|\d{2})"),
    "compact": re.compile(r"(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d)"),
    "month": re.compile(r"(?P<month>0?[1-9]|1[0-2])[-/.](?P<year>(?:19|20)\d\d)"),
    "iso month": re.compile(r"(?P<year>(?:19|20)\d\d)[-/.](?P<month>0?[1-9]|1[0-2])"),
    "week": re.compile(r"(?P<year>(?:19|20)\d\d)-?W(?P<week>[0-5]\d)(?:-?(?P<weekday>[1-7]))?", re.IGNORECASE),
    "chinese": re.compile(r"(?P<year>\d{4})年(?P<month>\d{1,2})月(?:(?P<day>\d{1,2})日)?"),
    "named": re.compile(rf"{_WEEKDAY}{_DAY}[\s./-]*(?:de\s)?{_NAME}[\s.,/-]*(?:de\s)?{_YEAR}", re.IGNORECASE),
    "name first": re.compile(rf"{_WEEKDAY}{_NAME}[\s.,/-]*{_DAY},?[\s-]+{_YEAR}", re.IGNORECASE),
    "name": re.compile(rf"{_NAME}[\s.,/-]*(?:de\s)?{_YEAR}", re.IGNORECASE),
}
_CTIME = re.compile(rf"[a-z]{{3}}\s(?P<name>[a-z]{{3}})\s+(?P<day>\d{{1,2}})\s(?P<clock>{CLOCK})\s(?:(?P<zone>\w+)\s)?(?P<year>\d{{4}})", re.IGNORECASE)  # fmt: skip  # noqa: E501
_TAIL = re.compile(rf"(?P<date>.*?\d日?)(?:[T\s,:]+(?P<clock>{CLOCK})(?P<zone>{ZONE}))?", re.IGNORECASE)
_COMPACT_TAIL = re.compile(r"(?P<date>\d{8})T(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?(?P<zone>Z?)")

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


@dataclass(frozen=True)
class _Written:
    """The parts of one text: a date by its calendar, or three numbers; seconds of the day; minutes east of UTC."""

    date: tuple[int, int, int] | None
    numbers: tuple[str, str, str] | None = None
    seconds: float | None = None
    zone: int | None = None
    short_year: bool = False


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
    written = [_parts(text) for text in texts]
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


def _parts(text: str) -> _Written | None:
    if (clock := _CTIME.fullmatch(text)) is not None:
        month = _month(clock["name"])
        day = (int(clock["year"]), month, int(clock["day"])) if month else None
        return None if day is None else _Written(day, None, seconds_of(clock["clock"]), zone_of(clock["zone"] or ""))
    if (tail := _COMPACT_TAIL.fullmatch(text)) is not None:
        seconds = int(tail["hour"]) * 3600 + int(tail["minute"]) * 60 + int(tail["second"] or 0)
        return _dated(tail["date"], float(seconds), zone_of(tail["zone"]))
    tail = _TAIL.fullmatch(text)
    if tail is None:
        return None
    clock_text = tail["clock"]
    return _dated(
        tail["date"],
        None if clock_text is None else seconds_of(clock_text),
        None if clock_text is None else zone_of(tail["zone"] or ""),
    )


def _dated(text: str, seconds: float | None, zone: int | None) -> _Written | None:
    for shape, pattern in _SHAPES.items():
        match = pattern.fullmatch(text)
        if match is None:
            continue
        if shape == "numbers":
            return _Written(None, (match[1], match[3], match[4]), seconds, zone, len(match[4]) == 2)
        parts = match.groupdict()
        month = _month(parts["name"]) if "name" in parts else int(parts.get("month") or 1)
        if not month:
            continue
        year = parts["year"].lstrip("'’")
        if shape == "name" and len(parts["year"]) == 2:  # a year, or a day
            return None
        if shape == "week":
            return _week(int(year), int(parts["week"]), int(parts["weekday"] or 1))
        short = len(year) == 2
        return _Written((int(year), month, int(parts.get("day") or 1)), None, seconds, zone, short)
    return None


def _week(year: int, week: int, weekday: int) -> _Written | None:
    try:
        day = date.fromisocalendar(year, week, weekday)
    except ValueError:
        return None
    return _Written((day.year, day.month, day.day))


def _month(name: str) -> int:
    key = name.casefold()
    return _MONTHS.get(key[:4], 0) or _MONTHS.get(key[:3], 0) or (3 if key.startswith("maerz") else 0)


def _settled_order(
    numbered: Sequence[tuple[str, str, str]],
    told: str | None,
    column: str,
    texts: Sequence[str],
    written: Sequence[_Written | None],
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
        return _asked(column, first, fitting)
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
        f'write dates = {{"{column}" = "{first}"}} in corpus.toml',
        "say their order under dates",
        {"dates": {column: first}},
        "or " + ", ".join(f'"{order}"' for order in others) + f": {quoted(text)} is {said}",
    )


def _shown(text: str, order: str) -> str:
    parts = _parts(text)
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
    written: Sequence[_Written | None], order: str, first_year: int | None, column: str
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


def _moment(parts: _Written, order: str, first_year: int | None, utc: bool) -> "np.datetime64 | None":
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
