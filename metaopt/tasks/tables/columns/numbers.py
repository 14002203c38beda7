"""Numbers in other dress than plain ones: percentages, money, units, commas, thousands, signs behind, powers of ten."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import quoted
from metaopt.tasks.tables.columns.decimal_marks import Decimal, decimal_of, value_of
from metaopt.tasks.tables.columns.number_formats import CODES, DIGITS, SYMBOLS
from metaopt.tasks.tables.refusal import Refusal

_SAME_MONEY = {"€": "EUR", "$": "USD", "US$": "USD", "USD$": "USD", "£": "GBP", "FR": "CHF", "KČ": "CZK", "ZŁ": "PLN"}
_POWERS = {
    **dict.fromkeys(("k", "tsd"), 3),
    **dict.fromkeys(("m", "mn", "mio", "mm", "million"), 6),
    **dict.fromkeys(("mrd", "bn", "b", "billion"), 9),
}
#: Those that need no money beside them.
_ALONE = ("k", "K", "M", "Mio", "mio", "Mrd", "mrd", "bn", "Tsd", "tsd")
_BEFORE = re.compile(rf"(?P<money>[A-Z]{{0,3}}[{SYMBOLS}]|(?:{CODES})\.?(?![A-Za-z]))\s?", re.IGNORECASE)
_BEHIND = re.compile(rf"\s?(?P<money>[A-Z]{{0,3}}[{SYMBOLS}]|(?:{CODES})\.?)$", re.IGNORECASE)
_POWER = re.compile(rf"\s?(?P<power>{'|'.join(sorted(_POWERS, key=len, reverse=True))})\.?$", re.IGNORECASE)
_EACH = re.compile(r"\s?(?:/|per)\s?[a-z]+$", re.IGNORECASE)
_TEN = re.compile(r"\s?[x×*·]\s?10\s?(?:\^|\*\*)?\s?(?P<exponent>[+-]?\d{1,3})$|[eE](?P<short>[+-]?\d{1,3})$")
_UNIT = re.compile(r"(?P<number>.*\d)\s?(?P<unit>(?:[^\W\d_]|[°'\"′″])[^\d\s]{0,7})")
_BODY = re.compile(rf"{DIGITS}|\d+\.")
_MARKS_OF_OTHERS = str.maketrans({"\u2212": "-", "\u2013": "-", "\u066b": ".", "\u066c": "", "\u2019": "'"})


@dataclass(frozen=True)
class Amount:
    """A number as it is written.

    Attributes:
        body: its digits and the marks among them.
        sign: 1 or -1.
        exponent: of the power of ten that it is multiplied by.
        unit: what it is an amount of; empty where nothing says so.
    """

    body: str
    sign: int
    exponent: int
    unit: str


@dataclass(frozen=True, eq=False)
class Numbers:
    """What texts say in numbers.

    Attributes:
        values: one a text; NaN where it is none.
        unit: of those that have one.
        decimal: the decimal mark that was read, where it matters.
    """

    values: NDArray[np.float64]
    unit: str
    decimal: str


def amount_in(text: str) -> Amount | None:
    """The parts of one number, None where the text is none.

    Example:
        >>> amount_in("-1.234,50 €")
        Amount(body='1.234,50', sign=-1, exponent=0, unit='EUR')
    """
    rest = _plain(text)
    sign, exponent, unit = 1, 0, ""
    if rest.startswith("(") and rest.endswith(")"):
        sign, rest = -1, rest[1:-1].strip()
    sign, rest = _signed(sign, rest)
    if rest[:1] in "%‰" or rest[-1:] in "%‰":
        unit, rest = ("%" if "%" in rest else "‰"), rest.strip("%‰ ")
    each = _EACH.search(rest)
    rest = rest if each is None else rest[: each.start()]
    for pattern in (_BEFORE, _BEHIND):
        money = pattern.match(rest) if pattern is _BEFORE else pattern.search(rest)
        if money is not None and not unit:
            unit = money["money"].rstrip(".").upper()
            unit = _SAME_MONEY.get(unit, unit)
            rest = (rest[: money.start()] + rest[money.end() :]).strip()
            rest = rest.strip("()") if rest.startswith("(") and rest.endswith(")") else rest
            sign, rest = _signed(sign, rest)
    rest = re.sub(r"\.[-–—]$", "", rest)
    if (power := _TEN.search(rest)) is not None:
        exponent, rest = int(power["exponent"] or power["short"]), rest[: power.start()]
    elif (power := _POWER.search(rest)) is not None and (unit not in ("", "%", "‰") or power["power"] in _ALONE):
        exponent, rest = _POWERS[power["power"].lower()], rest[: power.start()]
    elif not unit and (measured := _UNIT.fullmatch(rest)) is not None:
        unit, rest = measured["unit"], measured["number"]
    sign, rest = _signed(sign, rest)
    unit += "" if each is None else f"/{each[0].strip(' /').removeprefix('per ')}"
    return Amount(rest, sign, exponent, unit) if _BODY.fullmatch(rest) else None


def read_numbers(texts: Sequence[str], column: str, decimal: str | None, *, is_told: bool = False) -> Numbers | Refusal:
    """The numbers in a column.

    Args:
        texts: its different cells that are no gaps.
        column: its name, for messages.
        decimal: the decimal mark of the file, where it has one.
        is_told: whether the owner said so.

    Returns:
        The numbers; or why nobody can say which they are: units or marks that are mixed, thousands that may be
        decimals.
    """
    amounts = [amount_in(text) for text in texts]
    known = [(text, amount) for text, amount in zip(texts, amounts, strict=True) if amount is not None]
    units = {amount.unit: text for text, amount in reversed(known)}
    several = [unit for unit in units if unit] + ([""] if "" in units and units.keys() & {"%", "‰"} else [])
    if len(several) > 1:
        examples = " and ".join(quoted(units[unit]) for unit in several[:2])
        return Refusal(
            column, f" mixes units, such as {examples}", "write all in one", "mixed units", {"drop": [column]}
        )
    mark: Decimal = decimal_of([amount.body for _, amount in known])
    if mark == "mixed":
        return _mixed(known, column)
    if mark is None:
        if decimal not in (".", ","):
            return _unsure(known, column)
        mark = "." if decimal == "." else ","
    values = np.full(len(texts), np.nan)
    for place, amount in enumerate(amounts):
        if amount is not None:
            value = value_of(amount.body, mark or ".")
            values[place] = np.nan if value is None else amount.sign * value * 10.0**amount.exponent
    return Numbers(values, next((unit for unit in units if unit), ""), mark)


def _plain(text: str) -> str:
    """The text with ASCII digits and signs, without quotation marks and signs of being about."""
    text = unicodedata.normalize("NFKC", text).translate(_MARKS_OF_OTHERS)
    if not text.isascii():
        text = "".join(
            str(unicodedata.decimal(character)) if character.isdecimal() else character for character in text
        )
    text = text.strip().lstrip("~≈").strip()
    quoted_number = re.fullmatch(r"=?([\"'])\s?(.*?)\s?\1|'(.*)", text)
    if quoted_number is not None:
        text = quoted_number[2] if quoted_number[2] is not None else quoted_number[3]
    return text.strip()


def _signed(sign: int, text: str) -> tuple[int, str]:
    if text[:1] in ("+", "-"):
        return (sign if text[0] == "+" else -sign), text[1:].strip()
    if text.endswith("-") and not text.endswith(".-"):
        return -sign, text[:-1].strip()
    return sign, text


def _mixed(known: Sequence[tuple[str, Amount]], column: str) -> Refusal:
    point = next((text for text, amount in known if value_of(amount.body, ",") is None), "")
    comma = next((text for text, amount in known if value_of(amount.body, ".") is None), "")
    return Refusal(
        column,
        f" mixes decimal marks, such as {quoted(point)} and {quoted(comma)}",
        "write all numbers alike",
        "mixed marks",
        {"drop": [column]},
    )


def _unsure(known: Sequence[tuple[str, Amount]], column: str) -> Refusal:
    text, body = next((text, amount.body) for text, amount in known if value_of(amount.body, ".") is not None
                      and value_of(amount.body, ".") != value_of(amount.body, ","))  # fmt: skip
    point, comma = value_of(body, "."), value_of(body, ",")
    return Refusal(
        column,
        f" holds numbers such as {quoted(text)}, which may be {point:g} or {comma:g}",
        'write decimal = "." or decimal = "," in corpus.toml',
        'say decimal = "." or ","',
        {"decimal": "."},
        f'or decimal = ",": {quoted(text)} in {quoted(column)} is {point:g} with ".", {comma:g} with ","',
    )
