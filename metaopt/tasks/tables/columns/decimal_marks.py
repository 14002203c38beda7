"""Whether a mark in a number stands before its decimals or between its thousands; where both can be, nobody guesses.

`1.234` is one and a bit, or more than a thousand. A column settles it by a number that only one reading allows
(`0.234`, `1.23`, `1.234.567`, `1.234,5`); by numbers of four digits without a mark, which nobody writes beside such
with marks between thousands; or by `950` beside `1.200`, which nobody writes who writes three decimals. Else the other
columns of the file may, or its owner.
"""

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

#: `""`: no number has a mark that matters; None: unsure; `"mixed"`: no reading fits all.
Decimal: TypeAlias = Literal[".", ",", "", "mixed"] | None

MARKS: tuple[Literal[".", ","], ...] = (".", ",")

_GROUPS = {
    ".": re.compile(r"[1-9]\d{0,2}(?:([,'’_ ])\d{3})(?:\1\d{3})*|[1-9]\d?(?:,\d{2})+,\d{3}"),
    ",": re.compile(r"[1-9]\d{0,2}(?:([.'’_ ])\d{3})(?:\1\d{3})*"),
}
_ONE_MARK = re.compile(r"[1-9]\d{0,2}(?:\.\d{3}|,\d{3})")
_NOT_DIGITS = re.compile(r"\D")


def value_of(body: str, decimal: str) -> float | None:
    """A number without its sign, under a decimal mark; None where it is none.

    Example:
        >>> value_of("1.234,5", ","), value_of("1.234,5", ".")
        (1234.5, None)
    """
    whole, _, fraction = body.partition(decimal)
    if (fraction and not fraction.isdecimal()) or not (whole or fraction):
        return None
    if whole and not whole.isdecimal():
        if not _GROUPS[decimal].fullmatch(whole):
            return None
        whole = _NOT_DIGITS.sub("", whole)
    return float(f"{whole or 0}.{fraction or 0}")


def decimal_of(bodies: Sequence[str]) -> Decimal:
    """The decimal mark of a column.

    Args:
        bodies: its different numbers, without signs, units and powers.
    """
    fitting = [mark for mark in MARKS if all(value_of(body, mark) is not None for body in bodies)]
    if len(fitting) < 2:
        return fitting[0] if fitting else "mixed"
    doubtful = [body for body in bodies if value_of(body, ".") != value_of(body, ",")]
    if not doubtful:
        return ""
    kinds = {"." if "." in body else "," for body in doubtful}
    if len(kinds) > 1:
        return None
    mark: Literal[".", ","] = "." if "." in kinds else ","
    whole = [body for body in bodies if body.isdecimal()]
    if any(len(body) > 3 for body in whole):
        return mark
    if whole and any(body.endswith("0") for body in doubtful):
        return "," if mark == "." else "."
    return None


def is_doubtful(texts: Sequence[str]) -> bool:
    """Whether plain numbers such as `1.234` may have points between thousands: all have three digits behind theirs."""
    bodies = [text.lstrip("+-") for text in texts]
    dotted = [body for body in bodies if _ONE_MARK.fullmatch(body)]
    if not dotted or any(not body.isdecimal() and not _ONE_MARK.fullmatch(body) for body in bodies):
        return False
    return decimal_of(bodies) != "."
