"""What to know of a table that trains: rows in two splits, columns that say the target, odd numbers."""

from typing import TYPE_CHECKING, Any

import numpy as np

from metaopt.errors import listed, quoted
from metaopt.tasks.tables.division import CheckedTable
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.rows import TableRows

if TYPE_CHECKING:
    import pandas as pd

#: Numbers that often stand for a gap, and are read as numbers unless somebody says so.
_SUSPECTS = (-9, -99, -999, -9999, -99999, 999, 9999, 99999)
#: Rows from which a column that says the target is no accident.
_LEAST_ROWS = 30
#: How straight a number follows the target.
_STRAIGHT = 0.99999


def hints(file: TableFile, table: CheckedTable, rows: TableRows) -> list[str]:
    """Sentences, without the names of files.

    Args:
        file: the table as it was read.
        table: the same, checked.
        rows: its division.
    """
    kept = file.frame.iloc[table.rows].reset_index(drop=True)
    used = [name for name in kept.columns if name in table.features.meanings]
    lines = _duplicates(kept[[*used, table.target_name]], rows)
    if len(kept) >= _LEAST_ROWS:
        lines += [line for name in used if (line := _giveaway(kept[name], name, table)) is not None]
    numbers = [name for name in used if name in table.features.numbers]
    lines += [line for name in numbers if (line := _suspect(table.features.frame[name])) is not None]
    padded = [name for name in file.padded if name in numbers]
    if padded:
        lines.append(f"Numbers with zeros in front: {listed(padded)}. If they are codes, list them under categories.")
    if file.is_encoding_assumed:
        lines.append(
            f"Read as {file.encoding}, which nothing in the file says{_example(kept)}. If words look wrong, write "
            "encoding."
        )
    constant = [name for name in used if kept[name].nunique(dropna=True) == 1 and not kept[name].isna().any()]
    if constant:
        lines.append(f"The same in all rows, and of no use: {listed(constant)}.")
    dates = [name for name, meaning in table.features.meanings.items() if meaning.startswith("date")]
    if dates and table.times is None:
        lines.append(
            f"Rows are divided at random. If later rows are to be predicted from earlier ones, write time = "
            f"{quoted(dates[0])}."
        )
    return lines


def _example(frame: "pd.DataFrame") -> str:
    """A word with letters that other encodings have elsewhere."""
    texts = (str(cell) for name in frame.columns for cell in (name, *frame[name].unique()[:50]))
    word = next((text for text in texts if not text.isascii()), "")
    return f", such as {quoted(word)}" if word else ""


def _duplicates(frame: "pd.DataFrame", rows: TableRows) -> list[str]:
    import pandas as pd

    hashes = pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy()
    train, *held_out = rows.own
    known = np.unique(hashes[train])
    counts = [int(np.isin(hashes[part], known).sum()) for part in held_out]
    if not any(counts):
        return []
    return [
        f"warning: rows that are training rows too: {counts[0]} of {len(held_out[0])} validation rows, {counts[1]} of "
        f"{len(held_out[1])} test rows. Scores flatter; remove duplicates, or name a group."
    ]


def _giveaway(column: "pd.Series[Any]", name: str, table: CheckedTable) -> str | None:
    """A warning if one column says the target."""
    import pandas as pd

    target = table.target
    filled = column.notna().to_numpy()
    if filled.mean() < 0.9:
        return None
    if target.kind == "regression":
        parts = table.features.frame.get(name)
        if parts is None or parts.dtype.kind != "f":
            return None
        values, wanted = parts.to_numpy()[filled], target.values[filled]
        if np.std(values) == 0 or abs(np.corrcoef(values, wanted)[0, 1]) < _STRAIGHT:
            return None
    else:
        codes = pd.factorize(column[filled], sort=column.dtype.kind in "biufM")[0]
        wanted = target.values[filled]
        num_values = codes.max() + 1
        if num_values > len(codes) / 2 and column.dtype.kind not in "biufM":
            return None
        order = np.argsort(codes, kind="stable")
        changes = int(np.sum(wanted[order][1:] != wanted[order][:-1]))
        within = pd.DataFrame({"value": codes, "class": wanted}).groupby("value")["class"].nunique()
        separates = changes == target.num_outputs - 1 and column.dtype.kind in "biufM"
        if not separates and not (within.max() == 1 and num_values <= len(codes) / 4):
            return None
    return (
        f"warning: the column {quoted(name)} says {quoted(table.target_name)} without a mistake. If it is not known "
        f"before, list it under drop."
    )


def _suspect(column: "pd.Series[Any]") -> str | None:
    """A number that looks like a mark for a gap: it comes often, and far from all others."""
    filled = column.dropna().to_numpy(np.float64)
    for suspect in _SUSPECTS:
        count = int(np.sum(filled == suspect))
        others = filled[filled != suspect]
        if count < 2 or len(others) < 5:
            continue
        low, high = others.min(), others.max()
        if suspect < low - (high - low) / 2 or suspect > high + (high - low) / 2:
            return (
                f"{quoted(column.name)} is {suspect} in {count} rows, far from all others. If that stands for a gap, "
                f'write gaps = ["{suspect}"].'
            )
    return None
