"""The target column: what kind of task it makes, and its values."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import InputError, quoted
from metaopt.tasks.tables.columns.cells import clean, numbers_in
from metaopt.tasks.tables.columns.conversion import How, convert
from metaopt.tasks.tables.columns.features import MAX_MAGNITUDE
from metaopt.tasks.tables.columns.identifiers import are_identifiers, has_name_of_identifiers
from metaopt.tasks.tables.refusal import Refusal
from metaopt.tasks.tables.settings import TableKind

if TYPE_CHECKING:
    import pandas as pd

MAX_INFERRED_CLASSES = 30
MIN_CLASS_ROWS = 3

_NAMES = 'write task = "classification" in corpus.toml where these are the names of classes'
_LAST = "put the target last, or name it with target in corpus.toml"


@dataclass(frozen=True, eq=False)
class Target:
    """A checked target.

    Attributes:
        kind: classification or regression.
        values: classes as 0, 1, …, or numbers; shape (rows,).
        num_outputs: how many classes; 1 for regression.
        names: of the classes, in the order of their codes.
    """

    kind: TableKind
    values: NDArray[Any]
    num_outputs: int
    names: tuple[str, ...] = ()


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


def check_target(column: "pd.Series[Any]", kind: TableKind | None, how: How | None = None) -> Target | Refusal:
    """Check and encode the column to predict.

    Without `kind`, the task is classification if a value is no number, or if all are whole, with at most
    MAX_INFERRED_CLASSES different ones that come MIN_CLASS_ROWS times on average; otherwise regression.

    Args:
        column: shape (rows,).
        kind: see `read_target`.
        how: what is known of the file.

    Returns:
        The target; or why it cannot be one: a gap, one class, a class of too few rows, a value that is no finite
        number, numbers that can be read in two ways, dates, identifiers.
    """
    missing = np.flatnonzero(column.isna())
    if len(missing) == len(column):
        return _refusal(
            column,
            ": the target, which is the last column, has no values",
            _LAST,
            _LAST,
        )
    if len(missing):
        return _refusal(
            column,
            f": row {missing[0] + 1} after the header has no target ({len(missing)} such rows in all)",
            'fill it in or remove the row, or write drop_rows = ["no_target"] in corpus.toml',
            settings={"drop_rows": ["no_target"]},
        )
    if kind != "classification":
        amounts = _as_amounts(column, kind, how or How())
        if isinstance(amounts, Refusal):
            return amounts
        column = amounts
    return _classes(column) if (kind or infer_kind(column)) == "classification" else _numbers(column, kind)


def infer_kind(column: "pd.Series[Any]") -> TableKind:
    """The kind of a target without gaps; see `read_target`."""
    numbers = numbers_in(column)
    if numbers.isna().any():
        return "classification"
    different = numbers.nunique()
    few = different <= MAX_INFERRED_CLASSES and different <= max(2, len(column) // MIN_CLASS_ROWS)
    return "classification" if few and bool((numbers % 1 == 0).all()) else "regression"


def _as_amounts(column: "pd.Series[Any]", kind: TableKind | None, how: How) -> "pd.Series[Any] | Refusal":
    """The column with numbers in other dress as numbers, or why it is no target."""
    if column.dtype.kind == "M":
        return _refusal(column, f" holds dates such as {quoted(str(column.iloc[0]))}", _LAST, _LAST)
    converted = convert(column, how)
    if isinstance(converted, Refusal):
        return _refused_among_numbers(column, converted)
    if converted is None or column.dtype.kind == "b":
        return column
    name = str(column.name)
    if list(converted.parts) != [name] or converted.moments is not None:
        what = "dates" if converted.moments is not None else "times"
        return _refusal(column, f" holds {what} such as {_shown(column.iloc[0])}", _LAST, _LAST)
    numbers = converted.parts[name]
    wrong = np.flatnonzero(numbers.isna())
    if len(wrong):
        what = f": row {wrong[0] + 1} after the header holds {_shown(column.iloc[wrong[0]])} among numbers"
        return Refusal(
            name,
            what,
            f'correct it or remove the row, or write drop_rows = ["no_target"] in corpus.toml; {_NAMES}',
            settings={"drop_rows": ["no_target"], "gaps": list(dict.fromkeys(map(str, column.iloc[wrong])))[:20]},
        )
    amounts = kind is None and infer_kind(numbers) == "regression" and bool((numbers % 1 == 0).all())
    if are_identifiers(numbers) or (amounts and has_name_of_identifiers(column.name)):
        return _refusal(
            column,
            f" is the last one and so the target, and holds identifiers such as {numbers.iloc[0]:g}",
            _LAST,
            _LAST,
        )
    return numbers if numbers_in(column).isna().any() else column


def _refused_among_numbers(column: "pd.Series[Any]", refusal: Refusal) -> "pd.Series[Any] | Refusal":
    """Labels among which are numbers are classes; what else is refused of a feature is refused of a target."""
    if refusal.settings.keys() & {"gaps", "categories"} and numbers_in(column).notna().mean() > 0.5:
        return column
    settings = {key: value for key, value in refusal.settings.items() if key not in ("drop", "categories")}
    return replace(refusal, settings=settings)


def _classes(column: "pd.Series[Any]") -> Target | Refusal:
    names, codes, counts = np.unique(class_names(column), return_inverse=True, return_counts=True)
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
            '"regression" in corpus.toml; drop_rows = ["rare_class"] leaves rows of rare classes out)',
            'for a target of numbers, write task = "regression"',
            {"task": "regression"} if column.dtype.kind in "iuf" else {"drop_rows": ["rare_class"]},
        )
    return Target("classification", codes.reshape(-1).astype(np.int64), len(names), tuple(map(str, names)))


def class_names(column: "pd.Series[Any]") -> NDArray[Any]:
    """The class of each row as it is called; classes are in the order of these."""
    is_plain = column.dtype.kind in "biuf"
    names: NDArray[Any] = column.to_numpy() if is_plain else column.map(lambda value: clean(str(value))).to_numpy(str)
    return names


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


def _refusal(
    column: "pd.Series[Any]", fault: str, advice: str, hint: str = "", settings: Mapping[str, Any] | None = None
) -> Refusal:
    return Refusal(str(column.name), fault, advice, hint, settings or {})


def _shown(value: Any) -> str:
    return quoted(value.item() if isinstance(value, np.generic) else value)
