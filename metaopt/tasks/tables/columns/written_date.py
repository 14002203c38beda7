"""One date as it is written: by its calendar, or in three numbers whose order the column has to tell."""

import re
from dataclasses import dataclass
from datetime import date

from metaopt.tasks.tables.columns.clock_times import CLOCK, ZONE, seconds_of, zone_of

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


@dataclass(frozen=True)
class WrittenDate:
    """The parts of one text.

    Attributes:
        date: year, month and day; None where numbers stand in an order that the text does not tell.
        numbers: these, as they are written.
        seconds: of the day; None without a time.
        zone: minutes east of UTC; None where nothing says so.
        short_year: whether the year has two digits.
    """

    date: tuple[int, int, int] | None
    numbers: tuple[str, str, str] | None = None
    seconds: float | None = None
    zone: int | None = None
    short_year: bool = False


def written_date(text: str) -> WrittenDate | None:
    """The parts of a text; None where it is no date.

    Example:
        >>> written_date("3 March 2024").date
        (2024, 3, 3)
    """
    if (clock := _CTIME.fullmatch(text)) is not None:
        month = _month(clock["name"])
        day = (int(clock["year"]), month, int(clock["day"])) if month else None
        return None if day is None else WrittenDate(day, None, seconds_of(clock["clock"]), zone_of(clock["zone"] or ""))
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


def _dated(text: str, seconds: float | None, zone: int | None) -> WrittenDate | None:
    for shape, pattern in _SHAPES.items():
        match = pattern.fullmatch(text)
        if match is None:
            continue
        if shape == "numbers":
            return WrittenDate(None, (match[1], match[3], match[4]), seconds, zone, len(match[4]) == 2)
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
        return WrittenDate((int(year), month, int(parts.get("day") or 1)), None, seconds, zone, short)
    return None


def _week(year: int, week: int, weekday: int) -> WrittenDate | None:
    try:
        day = date.fromisocalendar(year, week, weekday)
    except ValueError:
        return None
    return WrittenDate((day.year, day.month, day.day))


def _month(name: str) -> int:
    key = name.casefold()
    return _MONTHS.get(key[:4], 0) or _MONTHS.get(key[:3], 0) or (3 if key.startswith("maerz") else 0)
