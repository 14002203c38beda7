"""What cells look like: plain numbers, numbers in other dress, dates, times, marks for gaps, or labels."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.tasks.tables.columns.date_formats import DATE, TIME, are_dotted_months
from metaopt.tasks.tables.columns.decimal_marks import is_doubtful

#: Different texts of a column that are looked at.
_MOST_TEXTS = 20_000

#: Different amounts from which texts such as `12 kg` are numbers with a unit and no labels.
_LEAST_AMOUNTS = 6

DIGITS = r"(?:\d{1,3}(?:[.,'’_ ]\d{3})+(?:[.,]\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?|\d+(?:[.,]\d+)?|[.,]\d+)"
_NUMBER = rf"[+\-\u2212]?\s?{DIGITS}"
SYMBOLS = "$¢£¤¥֏؋৲৳৻૱௹฿៛\u20a0-\u20c0﷼﹩＄￠￡￥￦"
CODES = (
    "USD|EUR|GBP|JPY|CHF|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|TRY|RUB|SGD|HKD|TWD|THB|IDR|MYR"
    "|ILS|AED|UAH|RON|BTC|ETH|kr|zł|Kč|Fr|Rs"
)
_MONEY = rf"(?:[A-Z]{{0,3}}[{SYMBOLS}]|(?:{CODES})\.?)"
_THOUSANDS = r"(?:\s?(?:k|tsd|m|mn|mio|mm|million|mrd|bn|b|billion)\.?)?"
_EACH = r"(?:\s?(?:/|per)\s?[a-z]+)?"

_PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_UNIT = re.compile(rf"[+-]?{DIGITS}\s?(?P<unit>(?:[^\W\d_]|[°'\"′″])[^\d\s]{{0,7}})")
_MARK = re.compile(r"[\W_]+|#\w[\w/!?]*")
_WORDS_FOR_A_GAP = frozenset({"na", "n/a", "n.a.", "nan", "none", "null", "nil", "missing", "unknown"})

#: Formats that stand for moments and durations, all others for numbers.
DATES, TIMES = "dates", "times of day or durations"

_FORMATS = {
    "percentages": re.compile(rf"[~≈]?\s?{_NUMBER}\s?[%‰％]|[%‰％]\s?{_NUMBER}"),
    "amounts of money": re.compile(
        rf"\(?[+\-\u2212]?\s?{_MONEY}\s?{_NUMBER}(?:\.[-–—])?{_THOUSANDS}{_EACH}\)?"
        rf"|\(?{_NUMBER}{_THOUSANDS}\s?{_MONEY}{_EACH}\)?|{DIGITS}\.[-–—]",
        re.IGNORECASE,
    ),
    DATES: DATE,
    TIMES: TIME,
    "numbers with commas": re.compile(
        r"[+-]?(?:\d+,\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|,\d+)"
    ),
    "numbers with marks between thousands": re.compile(r"[+-]?\d{1,3}(?:(?:['’_ ]\d{3})+|(?:\.\d{3}){2,})(?:[.,]\d+)?"),
    "numbers in quotation marks": re.compile(rf"=?([\"'])\s?{_NUMBER}\s?\1|'{_NUMBER}"),
    "numbers with powers of ten": re.compile(rf"{_NUMBER}\s?[x×*·]\s?10\s?(?:\^|\*\*)?\s?[+\-\u2212]?\d{{1,3}}"),
    "numbers with spaces behind their signs": re.compile(rf"[+-]\s{DIGITS}"),
    "numbers with their signs behind or in parentheses": re.compile(rf"{DIGITS}\s?-|\({DIGITS}\)"),
}
#: Units that one column may mix.
_KNOWN_UNITS = re.compile(
    "k|K|M|Mio|Mrd|bn|mg|g|kg|t|lbs?|oz|mm|cm|m|km|in|ft|mi|ms|s|sec|min|h|hrs?|d|B|[kKMGT]B|ml|l"
)
_FOREIGN_SIGNS = "numbers with signs or digits that are not ASCII"
_UNITS = "numbers with units"
_POINTS = "numbers with points that may stand between thousands"


@dataclass(frozen=True)
class Share:
    """What the cells of a column look like.

    Attributes:
        format: the commonest of the formats other than plain; empty where there is none.
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
    measured = _units_in([text for text, _, kind in kinds if not kind])
    by_format: Counter[str] = Counter()
    examples: dict[str, str] = {}
    plain = marks = 0
    plain_texts = [text for text, _, kind in kinds if kind == "plain"]
    points, months = is_doubtful(plain_texts), are_dotted_months(plain_texts)
    for text, count, kind in kinds:
        if not kind and measured and (amount := _UNIT.fullmatch(text)) and amount["unit"] in measured:
            kind = _UNITS
        elif points and kind == "plain" and "." in text:
            kind = _POINTS
        elif months and kind == "plain":
            kind = DATES
        if kind == "plain":
            plain += count
        elif kind == "mark":
            marks += count
        elif kind:
            by_format[kind] += count
            examples.setdefault(kind, text)
    name = by_format.most_common(1)[0][0] if by_format else ""
    return Share(name, examples.get(name, ""), by_format.total(), plain, marks, sum(count for _, count, _ in kinds))


def _units_in(texts: Sequence[str]) -> frozenset[str]:
    """What stands behind numbers and measures them: one unit, or several that are known, of enough amounts."""
    units = Counter(amount["unit"] for text in texts if (amount := _UNIT.fullmatch(text)))
    known = {unit: amounts for unit, amounts in units.items() if _KNOWN_UNITS.fullmatch(unit)}
    unit, amounts = units.most_common(1)[0] if units else ("", 0)
    measured = {unit} if amounts >= _LEAST_AMOUNTS else set()
    return frozenset(measured | set(known) if sum(known.values()) >= _LEAST_AMOUNTS else measured)


def is_mark(text: str) -> bool:
    """Whether a text stands for a gap where others are numbers or dates: `-`, `n/a`, `#DIV/0!`."""
    return bool(_MARK.fullmatch(text)) or text.casefold() in _WORDS_FOR_A_GAP


def _format_of(text: str) -> str:
    """`"plain"`, `"mark"`, the name of a format, or nothing."""
    if _PLAIN.fullmatch(text):
        return "plain"
    if is_mark(text):
        return "mark"
    if not any(character.isdigit() for character in text):
        return ""
    for name, pattern in _FORMATS.items():
        if pattern.fullmatch(text):
            return name
    ascii_text = unicodedata.normalize("NFKC", text).replace("\u2212", "-").replace("\u2013", "-")
    ascii_text = _ascii_digits(ascii_text).replace("\u066b", ".").replace("\u066c", "")
    return _FOREIGN_SIGNS if _PLAIN.fullmatch(ascii_text) else ""


def _ascii_digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(character, character)) for character in text)
