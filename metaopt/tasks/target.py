"""The target column: what kind of task it makes, and its values."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import InputError
from metaopt.tasks.settings import TableKind

if TYPE_CHECKING:
    import pandas as pd

MAX_INFERRED_CLASSES = 30
MIN_CLASS_ROWS = 3
MAX_MAGNITUDE = 1e30


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
    """Check and encode the last column of a table.

    Without `kind`, the task is classification if a value is no number, or if all are whole, with at most
    MAX_INFERRED_CLASSES different ones that come MIN_CLASS_ROWS times on average; otherwise regression.

    Args:
        column: the target, shape (rows,).
        kind: `"classification"`, `"regression"`, or None to infer it.
        where: the file and column, for messages.

    Raises:
        InputError: a gap, one class, a class of too few rows, or a value that is no finite number.
    """
    missing = np.flatnonzero(column.isna())
    if len(missing) == len(column):
        raise InputError(f"{where}: the target, which is the last column, has no values; put the target last.")
    if len(missing):
        raise InputError(
            f"{where}: row {missing[0] + 1} after the header has no target ({len(missing)} such rows in all); "
            "fill it in or remove the row."
        )
    if (kind or infer_kind(column)) == "classification":
        return _classes(column, where)
    return _numbers(column, where)


def infer_kind(column: "pd.Series[Any]") -> TableKind:
    """The kind of a target without gaps; see `read_target`."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.isna().any():
        return "classification"
    different = numbers.nunique()
    few = different <= MAX_INFERRED_CLASSES and different <= max(2, len(column) // MIN_CLASS_ROWS)
    return "classification" if few and bool((numbers % 1 == 0).all()) else "regression"


def _classes(column: "pd.Series[Any]", where: str) -> Target:
    names, codes, counts = np.unique(
        column.to_numpy(dtype=None if column.dtype.kind in "biuf" else str), return_inverse=True, return_counts=True
    )
    if len(names) < 2:
        raise InputError(
            f"{where}: all rows have the same class, {_shown(names[0])}; a classification task needs at least two."
        )
    rarest = int(counts.argmin())
    if counts[rarest] < MIN_CLASS_ROWS:
        raise InputError(
            f"{where}: class {_shown(names[rarest])} has {counts[rarest]} rows; each class needs {MIN_CLASS_ROWS}, to "
            'train, validate and test on (for a target of numbers, write task = "regression" in corpus.toml).'
        )
    return Target("classification", codes.reshape(-1).astype(np.int64), len(names))


def _numbers(column: "pd.Series[Any]", where: str) -> Target:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(~(np.abs(numbers) <= MAX_MAGNITUDE))
    if len(wrong):
        raise InputError(
            f"{where}: row {wrong[0] + 1} after the header holds {_shown(column.iloc[wrong[0]])}, which is no finite "
            "number, as regression needs; correct it or remove the row."
        )
    if numbers.min() == numbers.max():
        raise InputError(f"{where}: all rows have the same target, {numbers[0]:g}; there is nothing to learn.")
    return Target("regression", numbers, 1)


def _shown(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)
