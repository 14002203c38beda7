"""What makes a table's scores flatter: rows that are in two splits, and columns that say the target."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import quoted
from metaopt.tasks.tables.division import CheckedTable
from metaopt.tasks.tables.rows import TableRows

if TYPE_CHECKING:
    import pandas as pd

#: Rows from which a column that says the target is no accident.
_LEAST_ROWS = 30
#: Rows on which a column of many is looked at first: one that errs there need not be looked at further.
_FIRST_ROWS = 1_000
#: How straight a number follows the target.
_STRAIGHT = 0.99999


def leaks(frame: "pd.DataFrame", table: CheckedTable, rows: TableRows) -> list[str]:
    """One sentence for duplicates across splits and one for each column that says the target.

    Args:
        frame: the table as it was read, all its rows and columns.
        table: the same, checked.
        rows: its division.
    """
    kept = frame if len(table.rows) == len(frame) else frame.iloc[table.rows]
    kept = kept.reset_index(drop=True)
    used = [name for name in kept.columns if name in table.features.meanings]
    sentences = _duplicates(kept[[*used, table.target_name]], rows)
    if len(kept) >= _LEAST_ROWS:
        sentences += [
            f"the column {quoted(name)} says {quoted(table.target_name)} without a mistake. If it is not known before, "
            "list it under drop."
            for name in used
            if _says_target(kept[name], table)
        ]
    return sentences


def _duplicates(frame: "pd.DataFrame", rows: TableRows) -> list[str]:
    import pandas as pd

    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    train, *held_out = rows.own
    known = np.unique(hashes[train])
    counts = [int(np.isin(hashes[part], known).sum()) for part in held_out]
    if not any(counts):
        return []
    return [
        f"rows that are training rows too: {counts[0]} of {len(held_out[0])} validation rows, {counts[1]} of "
        f"{len(held_out[1])} test rows. Scores flatter; remove duplicates, or name a group."
    ]


def _says_target(column: "pd.Series[Any]", table: CheckedTable) -> bool:
    """Whether one column says the target."""
    filled = np.flatnonzero(column.notna().to_numpy())
    if len(filled) < 0.9 * len(column):
        return False
    if table.target.kind == "regression":
        return _is_straight(column, filled, table)
    if len(np.unique(table.target.values[filled])) < 2:
        return False
    if len(filled) > _FIRST_ROWS:
        first = filled[np.linspace(0, len(filled) - 1, _FIRST_ROWS).astype(np.int64)]
        # All different, they are of too many values to be a code.
        may_be_code = column.iloc[first].nunique() < _FIRST_ROWS and _has_one_class_each(column, first, table)
        if not may_be_code and not _separates(column, first, table):
            return False
    return _separates(column, filled, table) or _is_code(column, filled, table)


def _is_straight(column: "pd.Series[Any]", filled: NDArray[np.int64], table: CheckedTable) -> bool:
    """Whether a number is the target, but for shift and scale."""
    parts = table.features.frame.get(column.name)
    if parts is None or parts.dtype.kind != "f":
        return False
    values, wanted = parts.to_numpy()[filled], table.target.values[filled]
    return bool(np.std(values) > 0 and abs(np.corrcoef(values, wanted)[0, 1]) >= _STRAIGHT)


def _separates(column: "pd.Series[Any]", rows: NDArray[np.int64], table: CheckedTable) -> bool:
    """Whether the classes lie one after the other along an ordered column."""
    if column.dtype.kind not in "biufM":
        return False
    values, wanted = column.to_numpy()[rows], table.target.values[rows]
    # Within equal values by class: the changes are the fewest that there can be.
    ordered, sorted_values = wanted[order := np.lexsort((wanted, values))], values[order]
    is_pure = not np.any((sorted_values[1:] == sorted_values[:-1]) & (ordered[1:] != ordered[:-1]))
    return is_pure and int(np.sum(ordered[1:] != ordered[:-1])) == len(np.unique(wanted)) - 1


def _is_code(column: "pd.Series[Any]", rows: NDArray[np.int64], table: CheckedTable) -> bool:
    """Whether each of a few values stands for one class."""
    return column.iloc[rows].nunique() <= len(rows) / 4 and _has_one_class_each(column, rows, table)


def _has_one_class_each(column: "pd.Series[Any]", rows: NDArray[np.int64], table: CheckedTable) -> bool:
    import pandas as pd

    codes = pd.factorize(column.iloc[rows], sort=False)[0]
    pairs = np.unique(codes * np.int64(table.target.num_outputs + 1) + table.target.values[rows])
    return len(pairs) == int(codes.max()) + 1
