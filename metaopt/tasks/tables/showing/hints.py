"""What to know of a table that trains: rows in two splits, columns that say the target, odd numbers."""

from typing import TYPE_CHECKING, Any

import numpy as np

from metaopt.errors import listed, quoted
from metaopt.tasks.tables.division import CheckedTable
from metaopt.tasks.tables.leaks import leaks
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.rows import TableRows

if TYPE_CHECKING:
    import pandas as pd

#: Numbers that often stand for a gap, and are read as numbers unless somebody says so.
_SUSPECTS = (-9, -99, -999, -9999, -99999, 999, 9999, 99999)


def hints(file: TableFile, table: CheckedTable, rows: TableRows) -> list[str]:
    """Sentences, without the names of files.

    Args:
        file: the table as it was read.
        table: the same, checked.
        rows: its division.
    """
    kept = file.frame.iloc[table.rows].reset_index(drop=True)
    used = [name for name in kept.columns if name in table.features.meanings]
    lines = [f"warning: {sentence}" for sentence in leaks(file.frame, table, rows)]
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
