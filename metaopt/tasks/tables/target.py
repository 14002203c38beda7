"""The target column: what kind of task it makes, and its values."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import InputError, quoted
from metaopt.tasks.tables.cell_formats import look_at
from metaopt.tasks.tables.cells import clean, numbers_in
from metaopt.tasks.tables.identifiers import are_identifiers, has_name_of_identifiers
from metaopt.tasks.tables.refusal import Refusal
from metaopt.tasks.tables.settings import TableKind

if TYPE_CHECKING:
    import pandas as pd

MAX_INFERRED_CLASSES = 30
MIN_CLASS_ROWS = 3
MAX_MAGNITUDE = 1e30

_PLAIN_NUMBERS = (
    'write plain numbers such as 1234.5, or task = "classification" in corpus.toml where these are the names of classes'
)
_LAST = "put the target last"


@dataclass(frozen=True, eq=False)
class Target:
    """A checked target.

    Attributes:
        kind: classification or regression.
        values: classes as 0, 1, …, or numbers; shape (rows,).
        num_outputs: how many classes; 1 for regression.
    """

    kind: TableKind
    values: NDArray[Any]
    num_outputs: int


def read_target(column: "pd.Series[Any]", kind: TableKind | None, where: str) -> Target:
    """`check_target`, with a refusal as an error.

    Args:
        column: the target, shape (rows,).
        kind: `"classification"`, `"regression"`, or None to infer it.
        where: the file and column, for messages.

    Raises:
        InputError: it cannot be used.
    """
    target = check_target(column, kind)
    if isinstance(target, Refusal):
        raise InputError(f"{where}{target.fault}; {target.advice}.")
    return target


def check_target(column: "pd.Series[Any]", kind: TableKind | None) -> Target | Refusal:
    """Check and encode the last column of a table.

    Without `kind`, the task is classification if a value is no number, or if all are whole, with at most
    MAX_INFERRED_CLASSES different ones that come MIN_CLASS_ROWS times on average; otherwise regression.

    Returns:
        The target; or why it cannot be one: a gap, one class, a class of too few rows, a value that is no finite
        number, numbers that are no plain ones, identifiers.
    """
    missing = np.flatnonzero(column.isna())
    if len(missing) == len(column):
        return _refusal(
            column,
            ": the target, which is the last column, has no values",
            "put the target last",
            "put the target last",
        )
    if len(missing):
        return _refusal(
            column,
            f": row {missing[0] + 1} after the header has no target ({len(missing)} such rows in all)",
            "fill it in or remove the row",
        )
    foreign = None if kind == "classification" else _foreign(column, kind)
    if foreign is not None:
        return foreign
    return _classes(column) if (kind or infer_kind(column)) == "classification" else _numbers(column, kind)


def infer_kind(column: "pd.Series[Any]") -> TableKind:
    """The kind of a target without gaps; see `read_target`."""
    numbers = numbers_in(column)
    if numbers.isna().any():
        return "classification"
    different = numbers.nunique()
    few = different <= MAX_INFERRED_CLASSES and different <= max(2, len(column) // MIN_CLASS_ROWS)
    return "classification" if few and bool((numbers % 1 == 0).all()) else "regression"


def are_dates(numbers: "pd.Series[Any]") -> bool:
    """Whether whole numbers are dates such as 20210131: all of them are, and not all the same."""
    filled = numbers.dropna()
    if filled.nunique() < 2 or not filled.between(19_000_101, 21_001_231).all() or not (filled % 1 == 0).all():
        return False
    months, days = filled // 100 % 100, filled % 100
    return bool(months.between(1, 12).all() and days.between(1, 31).all())


def _foreign(column: "pd.Series[Any]", kind: TableKind | None) -> Refusal | None:
    """Why a column of numbers that are no plain ones, or stand for no amount, is no target."""
    if column.dtype.kind not in "biuf":
        texts = column.astype(str).value_counts(sort=False)
        share = look_at([clean(text) for text in texts.index], list(texts))
        if share.is_foreign:
            return _refusal(column, f" holds {share.format} such as {quoted(share.example)}", _PLAIN_NUMBERS)
    numbers = numbers_in(column)
    wrong = np.flatnonzero(numbers.isna())
    if len(wrong):
        if kind is None and share.has_gap_marks:
            what = f": row {wrong[0] + 1} after the header holds {_shown(column.iloc[wrong[0]])} among numbers"
            return _refusal(column, what, f"correct it or remove the row; {_PLAIN_NUMBERS}")
        return None
    amounts = kind is None and infer_kind(column) == "regression" and bool((numbers % 1 == 0).all())
    if are_identifiers(numbers) or (amounts and has_name_of_identifiers(column.name)):
        return _refusal(
            column,
            f" is the last one and so the target, and holds identifiers such as {numbers.iloc[0]:g}",
            _LAST,
            _LAST,
        )
    if are_dates(numbers):
        return _refusal(column, f" holds dates such as {numbers.iloc[0]:.0f}", _LAST, _LAST)
    return None


def _classes(column: "pd.Series[Any]") -> Target | Refusal:
    names, codes, counts = np.unique(
        column.to_numpy() if column.dtype.kind in "biuf" else column.map(lambda value: clean(str(value))).to_numpy(str),
        return_inverse=True,
        return_counts=True,
    )
    if len(names) < 2:
        return _refusal(
            column,
            f": all rows have the same class, {_shown(names[0])}",
            "a classification task needs at least two",
        )
    rarest = int(counts.argmin())
    if counts[rarest] < MIN_CLASS_ROWS:
        return _refusal(
            column,
            f": class {_shown(names[rarest])} has {counts[rarest]} rows",
            f"each class needs {MIN_CLASS_ROWS}, to train, validate and test on (for a target of numbers, write task = "
            '"regression" in corpus.toml)',
            'for a target of numbers, write task = "regression"',
        )
    return Target("classification", codes.reshape(-1).astype(np.int64), len(names))


def _numbers(column: "pd.Series[Any]", kind: TableKind | None) -> Target | Refusal:

    numbers = numbers_in(column).to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~(np.abs(numbers) <= MAX_MAGNITUDE))
    if len(wrong):
        return _refusal(
            column,
            f": row {wrong[0] + 1} after the header holds {_shown(column.iloc[wrong[0]])}, which is no finite number, "
            "as regression needs",
            "correct it or remove the row",
        )
    if numbers.min() == numbers.max():
        return _refusal(column, f": all rows have the same target, {numbers[0]:g}", "there is nothing to learn")
    return Target("regression", numbers, 1)


def _refusal(column: "pd.Series[Any]", fault: str, advice: str, hint: str = "") -> Refusal:
    return Refusal(str(column.name), fault, advice, hint)


def _shown(value: Any) -> str:
    return quoted(value.item() if isinstance(value, np.generic) else value)
