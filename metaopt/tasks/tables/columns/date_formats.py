"""Dates, times of day and durations as people and programs write them."""

import re
from collections.abc import Sequence

from metaopt.tasks.tables.columns.clock_times import CLOCK, ZONE

_MONTH = (
    r"(?:jan(?:uary|uar|vier)?|ene(?:ro)?|gennaio|feb(?:ruary|ruar|rero|braio)?|f[ée]vr?(?:ier)?|mar(?:ch|s|zo)?|märz?"
    r"|a[pbv]r(?:il|ile)?|may|mai|mayo|maggio|jun[eio]?|juin|giugno|jul[yio]?|juil(?:let)?|luglio|aug(?:ust)?|ao[uû]t"
    r"|ago(?:sto)?|sept?(?:embere?|embre|iembre)?|settembre|o[ck]t(?:ober|obre|ubre)?|ottobre|nov(?:ember|embre|iembre)?"
    r"|d[eé][czi][cz]?(?:ember|embre|iembre|embre)?)\.?"
)
_WEEKDAY = r"(?:(?:mon|tue|tues|wed|wednes|thu|thurs?|fri|sat|satur|sun)(?:day)?[.,]?\s)?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NAMED_DAY = rf"{_DAY}(?:st|nd|rd|th|\.)?"
_DATE = "|".join(
    (
        rf"\d{{4}}([-/.])(?:0?[1-9]|1[0-2])\1{_DAY}",
        r"(?:0[1-9]|1[0-2])[-/.](?:19|20)\d\d",  # 2010-11 may be a season
        rf"{_DAY}([-/]|\.\s?){_DAY}\2(?:\d{{4}}|\d{{2}})",
        rf"{_WEEKDAY}(?:{_NAMED_DAY}[\s./-]*(?:de\s)?)?{_MONTH}[\s.,/-]*(?:de\s)?(?:{_NAMED_DAY},?\s)?(?:\d{{4}}|\d{{2}})",
        rf"{_WEEKDAY}{_MONTH}\s+{_DAY}\s{CLOCK}\s(?:\w+\s)?\d{{4}}",
        r"(?:19|20)\d\d-?W[0-5]\d(?:-?[1-7])?",
        r"(?:19|20)\d{6}T\d{4,6}Z?",
        r"\d{4}年\d{1,2}月(?:\d{1,2}日)?",
    )
)
_PIECE = r"\d+(?:[.,]\d+)?\s?(?:d|days?|h|hrs?|hours?|m|mins?|minutes?|s|secs?|seconds?)"

DATE = re.compile(rf"(?:{_DATE})(?:[T\s,:]+{CLOCK}{ZONE})?", re.IGNORECASE)
TIME = re.compile(
    rf"{CLOCK}{ZONE}|-?(?:\d+\sdays?,?\s)?\+?\d{{1,4}}:[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?|{_PIECE}(?:,?\s?{_PIECE})+"
    r"|P(?=\d|T\d)(?:\d+[YMWD])*(?:T(?:\d+(?:\.\d+)?[HMS])+)?",
    re.IGNORECASE,
)

_DOTTED_MONTH = re.compile(r"(?:0[1-9]|1[0-2])\.(?:19|20)\d\d")


def are_dotted_months(texts: Sequence[str]) -> bool:
    """Whether all are months such as `03.2024`, which are no decimals."""
    return any(text.startswith("0") for text in texts) and all(_DOTTED_MONTH.fullmatch(text) for text in texts)
