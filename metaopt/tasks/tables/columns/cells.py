"""Cells of a text file as what they say: a column of numbers, of booleans, or of text.

What only looks different is the same: spaces around and runs of spaces within (tabs and no-break spaces too), marks
that nobody sees, composed and decomposed letters.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metaopt.tasks.tables.columns.date_formats import are_dotted_months
from metaopt.tasks.tables.columns.decimal_marks import is_doubtful

if TYPE_CHECKING:
    import pandas as pd

GAPS = ("", "?", "NA", "N/A", "NaN", "nan", "NULL", "null")

#: Whole numbers beyond this differ although they are the same float64.
_EXACT = 2**53

_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u2060"))
BOOLEANS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
_WHOLE = re.compile(r"[+-]?\d+")
_PADDED = re.compile(r"[+-]?0\d")


def clean(text: str) -> str:
    """The text without what nobody sees.

    Example:
        >>> clean("  New   York ")
        'New York'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_INVISIBLE))
    return " ".join(text.split())


def numbers_in(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column's cells as numbers, a text as Python reads it, in whole numbers or float64; NaN where a cell is none."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    if column.dtype.kind in "biuf" or numbers.dtype != np.float64 or not _rounds_twice(pd.__version__):
        return numbers
    values, texts = numbers.to_numpy(copy=True), column.to_numpy(dtype=object)
    filled = np.flatnonzero(np.isfinite(values))
    values[filled] = [float(text) for text in texts[filled]]
    return pd.Series(values, index=column.index, name=column.name)


def _rounds_twice(version: str) -> bool:
    """Whether this version of pandas gets the last digit of every third number wrong."""
    major, minor = version.split(".")[:2]
    return (int(major), int(minor)) < (3, 1)


def without_gaps(column: "pd.Series[Any]", gaps: Sequence[str]) -> "pd.Series[Any]":
    """A column of text without the cells that somebody calls gaps; numbers may be written in several ways.

    Args:
        column: strings as they stand in the file.
        gaps: such as `"-999"`, which `-999.0` is too.
    """
    import pandas as pd

    codes, raw = pd.factorize(column)
    amounts = {number for gap in gaps if (number := _number(gap)) is not None}
    texts = np.array(
        ["" if clean(str(text)) in gaps or _number(str(text)) in amounts else text for text in raw], dtype=object
    )
    return pd.Series(texts[codes], index=column.index, name=column.name)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def typed(column: "pd.Series[Any]", *, as_labels: bool = False) -> "pd.Series[Any]":
    """A column of text as whole numbers, floats or booleans where all its cells are some, else as text; gaps as NaN.

    Text stays what would lose its meaning as numbers: whole numbers too long for float64 to tell them apart, numbers
    that may have points between thousands, months such as `03.2024`, and codes such as `007` in a column of labels.

    Args:
        column: strings as they stand in the file.
        as_labels: whether its cells are labels whatever they look like.
    """
    import pandas as pd

    numbers = numbers_in(column)
    if not as_labels and column[numbers.isna()].isin(GAPS).all() and not _may_lose(numbers):
        return numbers + 0  # -0 is 0
    codes, raw = pd.factorize(column)
    texts = np.array([clean(text) for text in raw], dtype=object)
    is_gap = np.array([text in GAPS for text in texts], dtype=bool)
    texts[is_gap] = np.nan
    values = _converted(texts, is_gap, as_labels)
    return pd.Series(values[codes], index=column.index, name=column.name)


def _converted(texts: Any, is_gap: Any, as_labels: bool) -> Any:
    import pandas as pd

    filled: list[str] = list(texts[~is_gap])
    numbers = numbers_in(pd.Series(texts, dtype=object)).to_numpy()
    if not filled:
        return np.full(len(texts), np.nan)
    if not np.isnan(numbers[~is_gap].astype(np.float64)).any():
        return texts if _loses_by_it(filled, numbers, as_labels) else numbers + numbers.dtype.type(0)
    if all(text in BOOLEANS for text in filled):
        booleans = np.array([BOOLEANS.get(text, np.nan) for text in texts], dtype=object)
        return booleans if is_gap.any() else booleans.astype(bool)
    return texts


def _may_lose(numbers: "pd.Series[Any]") -> bool:
    """Whether `_loses_by_it` can be true: nothing else needs the texts of a column of numbers."""
    if numbers.dtype.kind != "f":
        return False
    filled = numbers.dropna()
    thousandths = filled * 1000
    return bool(
        filled.abs().max() > _EXACT
        or np.abs(thousandths - thousandths.round()).max() < 1e-6
        or (filled.between(1, 13) & ((filled * 10_000).round() % 10_000).between(1900, 2099)).all()
    )


def _loses_by_it(texts: "list[str]", numbers: Any, as_labels: bool) -> bool:
    if numbers.dtype.kind == "f":
        long = [text for text in texts if len(text) > 15 and _WHOLE.fullmatch(text) and abs(int(text[:4000])) > _EXACT]
        if long and len(set(texts)) > len(np.unique(numbers[~np.isnan(numbers)])):
            return True
        if is_doubtful(texts) or are_dotted_months(texts):
            return True
    return as_labels and any(_PADDED.match(text) for text in texts)
