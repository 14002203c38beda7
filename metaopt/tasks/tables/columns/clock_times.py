"""Times of day, durations and zones as people and programs write them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:\s?[ap]\.?m\.?)?"
ZONE = r"(?:\s?(?:z|utc|gmt|[cemp][ds]t|cest|cet|bst|[+-]\d\d:?\d\d))?"

#: Hours east of UTC.
_ZONES = {
    **dict.fromkeys(("z", "utc", "gmt"), 0), "cet": 1, "cest": 2, "bst": 1,
    "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
}  # fmt: skip
_CLOCK_PARTS = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d(?:[.,]\d+)?))?(?:\s?(?P<half>[ap])\.?m\.?)?", re.IGNORECASE
)
_LONG = re.compile(
    r"(?P<sign>-?)(?:(?P<days>\d+)\sdays?,?\s)?\+?(?P<hours>\d{1,4}):(?P<minutes>\d\d)(?::(?P<seconds>\d\d(?:[.,]\d+)?))?",
    re.IGNORECASE,
)
_PIECE = re.compile(r"(\d+(?:[.,]\d+)?)\s?(d|h|m|s)[a-z]*", re.IGNORECASE)
_ISO_PIECE = re.compile(r"(\d+(?:[.,]\d+)?)([YMWDHS])", re.IGNORECASE)
_LENGTHS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_DATE_LENGTHS = {"y": 365.25 * 86_400, "m": 30.4375 * 86_400, "w": 7 * 86_400.0, "d": 86_400.0}

_ONLY_CLOCK = re.compile(f"{CLOCK}{ZONE}", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Times:
    """What a column of times says.

    Attributes:
        hours: one a text; NaN where it is none.
        are_of_day: whether all may be times of day, from 0:00 to 24:00.
    """

    hours: NDArray[np.float64]
    are_of_day: bool


def seconds_of(clock: str) -> float:
    """Seconds since midnight of a time such as `9:05 pm`."""
    parts = _CLOCK_PARTS.fullmatch(clock.strip())
    assert parts is not None
    hour = int(parts["hour"])
    if parts["half"] is not None:
        hour = hour % 12 + (12 if parts["half"].lower() == "p" else 0)
    return hour * 3600.0 + int(parts["minute"]) * 60 + float((parts["second"] or "0").replace(",", "."))


def zone_of(text: str) -> int | None:
    """Minutes east of UTC; None where no zone is said."""
    name = text.strip().casefold()
    if not name:
        return None
    if name[0] in "+-":
        digits = name[1:].replace(":", "")
        minutes = int(digits[:2]) * 60 + int(digits[2:])
        return minutes if name[0] == "+" else -minutes
    return None if name not in _ZONES else 60 * _ZONES[name]


def read_times(texts: Sequence[str]) -> Times:
    """Hours of times of day and of durations.

    Args:
        texts: a column's different cells that are no gaps.
    """
    hours = np.array([_hours(text) for text in texts], dtype=np.float64)
    of_day = all(_ONLY_CLOCK.fullmatch(text) for text, value in zip(texts, hours, strict=True) if not np.isnan(value))
    return Times(hours, of_day)


def _hours(text: str) -> float:
    if _ONLY_CLOCK.fullmatch(text):
        clock = re.match(CLOCK, text, re.IGNORECASE)
        assert clock is not None
        return seconds_of(clock[0]) / 3600
    if (long := _LONG.fullmatch(text)) is not None:
        hours = int(long["days"] or 0) * 24 + int(long["hours"]) + int(long["minutes"]) / 60
        hours += float((long["seconds"] or "0").replace(",", ".")) / 3600
        return -hours if long["sign"] else hours
    if text[:1] in "Pp" and len(text) > 2:
        before, _, after = text[1:].upper().partition("T")
        pieces = [(number, _DATE_LENGTHS[unit.lower()]) for number, unit in _ISO_PIECE.findall(before)]
        pieces += [(number, _LENGTHS[unit.lower()]) for number, unit in _ISO_PIECE.findall(after) if unit in "HMS"]
    else:
        pieces = [(number, _LENGTHS[unit.lower()]) for number, unit in _PIECE.findall(text)]
    if not pieces:
        return float("nan")
    return sum(float(number.replace(",", ".")) * length for number, length in pieces) / 3600
