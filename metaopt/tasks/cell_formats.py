"""Numbers in other dress than plain ones: percentages, money, commas, dates. They are named, not read."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.tasks.cells import has_points_between_thousands

#: Different texts of a column that are looked at.
_MOST_TEXTS = 20_000

#: Different amounts from which texts such as `12 kg` are numbers with a unit and no labels.
_LEAST_AMOUNTS = 6

_DIGITS = r"(?:\d{1,3}(?:[.,'’ ]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?|[.,]\d+)"
_NUMBER = rf"[+\-\u2212]?\s?{_DIGITS}"
_SYMBOLS = "$¢£¤¥֏؋৲৳৻૱௹฿៛\u20a0-\u20c0﷼﹩＄￠￡￥￦"
_CODES = "USD|EUR|GBP|JPY|CHF|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|TRY|RUB|kr|zł|Kč|Fr|Rs"
_MONEY = rf"(?:[A-Z]{{0,3}}[{_SYMBOLS}]|(?:{_CODES})\.?)"
_MONTH = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz?|apr(?:il)?|may|mai|jun[ei]?|jul[yi]?|aug(?:ust)?"
    r"|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)\.?"
)
_CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?(?:\s?[ap]\.?m\.?)?"
_ZONE = r"(?:\s?(?:z|utc|gmt|[+-]\d\d:?\d\d))?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = "|".join(
    (
        rf"\d{{4}}([-/.])(?:0?[1-9]|1[0-2])\1{_DAY}",
        rf"{_DAY}([-/.]){_DAY}\2(?:\d{{4}}|\d{{2}})",
        rf"(?:{_DAY}[\s.-]*)?{_MONTH}[\s.,-]*(?:{_DAY},?\s)?(?:\d{{4}}|\d{{2}})",
    )
)

_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_UNIT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)\s?(?P<unit>[^\W\d_][^\d\s]{0,7})")
_MARK = re.compile(r"[\W_]+|#\w[\w/!?]*")
_WORDS_FOR_A_GAP = frozenset({"na", "n/a", "n.a.", "nan", "none", "null", "nil", "missing", "unknown"})

_FORMATS = {
    "percentages": re.compile(rf"{_NUMBER}\s?[%‰]|[%‰]\s?{_NUMBER}"),
    "amounts of money": re.compile(
        rf"\(?[+\-\u2212]?\s?{_MONEY}\s?{_NUMBER}\)?|\(?{_NUMBER}\s?{_MONEY}\)?", re.IGNORECASE
    ),
    "dates": re.compile(rf"(?:{_DATE})(?:[T\s,]+{_CLOCK}{_ZONE})?", re.IGNORECASE),
    "times of day or durations": re.compile(_CLOCK, re.IGNORECASE),
    "numbers with commas": re.compile(r"[+-]?(?:\d+,\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|,\d+)"),
    "numbers with marks between thousands": re.compile(r"[+-]?\d{1,3}(?:(?:['’ ]\d{3})+|(?:\.\d{3}){2,})(?:[.,]\d+)?"),
    "numbers with their signs behind or in parentheses": re.compile(rf"{_DIGITS}\s?-|\({_DIGITS}\)"),
}
_FOREIGN_SIGNS = "numbers with signs or digits that are not ASCII"
_UNITS = "numbers with units"
_POINTS = "numbers with points between thousands"


@dataclass(frozen=True)
class Share:
    """What the cells of a column look like.

    Attributes:
        format: the commonest of the formats that are not read; empty where there is none.
        example: a cell of that format.
        foreign: cells in such formats.
        plain: cells that are plain numbers.
        marks: cells that may stand for a gap, such as `-` or `n/a`.
        total: cells that are no gaps.
    """

    format: str
    example: str
    foreign: int
    plain: int
    marks: int
    total: int

    @property
    def is_foreign(self) -> bool:
        """Whether the column is one of numbers in such a format: more than half of what is no mark looks so."""
        return self.foreign > 0 and 2 * (self.foreign + self.plain) > self.total - self.marks

    @property
    def has_gap_marks(self) -> bool:
        """Whether all but the marks are plain numbers."""
        return 0 < self.plain == self.total - self.marks < self.total


def look_at(texts: Sequence[str], counts: Sequence[int]) -> Share:
    """What different texts, each with its number of cells, look like."""
    step = -(-len(texts) // _MOST_TEXTS) or 1
    kinds = [(text, count, _format_of(text)) for text, count in zip(texts[::step], counts[::step], strict=True)]
    units = Counter(found["unit"] for text, _, kind in kinds if not kind and (found := _UNIT.fullmatch(text)))
    unit, amounts = units.most_common(1)[0] if units else ("", 0)
    by_format: Counter[str] = Counter()
    examples: dict[str, str] = {}
    plain = marks = 0
    points = has_points_between_thousands([text for text, _, _ in kinds])
    for text, count, kind in kinds:
        if amounts >= _LEAST_AMOUNTS and (found := _UNIT.fullmatch(text)) and found["unit"] == unit:
            kind = _UNITS
        elif points and kind == "plain" and "." in text:
            kind = _POINTS
        if kind == "plain":
            plain += count
        elif kind == "mark":
            marks += count
        elif kind:
            by_format[kind] += count
            examples.setdefault(kind, text)
    name = by_format.most_common(1)[0][0] if by_format else ""
    return Share(name, examples.get(name, ""), by_format.total(), plain, marks, sum(count for _, count, _ in kinds))


def _format_of(text: str) -> str:
    """`"plain"`, `"mark"`, the name of a format, or nothing."""
    if _PLAIN.fullmatch(text):
        return "plain"
    if _MARK.fullmatch(text) or text.casefold() in _WORDS_FOR_A_GAP:
        return "mark"
    if not any(character.isdigit() for character in text):
        return ""
    for name, pattern in _FORMATS.items():
        if pattern.fullmatch(text):
            return name
    ascii_text = unicodedata.normalize("NFKC", text).replace("\u2212", "-").replace("\u2013", "-")
    return _FOREIGN_SIGNS if _PLAIN.fullmatch(_ascii_digits(ascii_text)) else ""


def _ascii_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(character, character)) for character in text)
