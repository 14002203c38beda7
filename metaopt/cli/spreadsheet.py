"""Tables as CSV files that spreadsheets open without running anything."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: What makes a cell a formula: spreadsheets run `=cmd|…` and `@SUM(…)`, and skip blanks before them.
_FORMULA = re.compile(r"^\s*[=+\-@|%＝＋－＠]|^[\t\r\n]")


def as_csv(frame: "pd.DataFrame") -> str:
    """The table as the text of a CSV file, column names first.

    Names that people gave may begin like formulas. An apostrophe before them makes them text: spreadsheets do not show
    it. Numbers stay numbers, also negative ones that stand among texts.
    """
    safe = frame.copy()
    for position, column in enumerate(frame.columns):
        if frame[column].dtype.kind not in "biufc":
            safe.isetitem(position, frame[column].map(_neutral))
    safe.columns = [_neutral(column) for column in frame.columns]
    return str(safe.to_csv(index=False))


def _neutral(cell: Any) -> Any:
    if not isinstance(cell, str) or _is_number(cell):
        return cell
    marked = f"'{cell}" if _FORMULA.match(cell) else cell
    return re.sub("\r\n?", "\n", marked)  # a carriage return by itself is not quoted, and would begin a new row


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
