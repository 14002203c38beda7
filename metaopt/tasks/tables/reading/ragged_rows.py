"""Rows that have more cells than the header has names."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.tasks.tables.refusal import refused_file
from metaopt.tasks.tables.settings import TableSettings

if TYPE_CHECKING:
    import pandas as pd


def mended(text: str, num_columns: int, path: Path, separator: str, settings: TableSettings) -> "pd.DataFrame | None":
    """The rows without empty cells at their ends, or without the rows that are too long where the settings say so.

    Args:
        text: of the file, from the header on.
        num_columns: names of the header.
        path: of the file.
        separator: what stands between cells.
        settings: what `corpus.toml` says.

    Returns:
        Columns called 0, 1 and so on; None where the text cannot be read at all, or no row fits.

    Raises:
        InputError: rows are too long, fewer than half of them.
    """
    import pandas as pd

    rows: list[list[str]] = []
    long: list[tuple[int, int]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for row in reader:
            if not row:
                continue
            kept = _trimmed(row, num_columns)
            if len(kept) > num_columns:
                long.append((reader.line_num, len(kept)))
            else:
                rows.append([*kept, *[""] * (num_columns - len(kept))])
    except csv.Error:
        return None
    if len(long) >= len(rows):
        return None
    if long and "ragged" not in settings.drop_rows:
        line, width = long[0]
        raise refused_file(
            f"{path} cannot be read as CSV: Expected {num_columns} fields in line {line}, saw {width}; correct the "
            f'file, or write drop_rows = ["ragged"] in corpus.toml to leave such rows out ({len(long)} in all).',
            {"drop_rows": ["ragged"]},
        )
    return pd.DataFrame(rows[1:] if settings.header else rows, dtype=object).astype(object)


def _trimmed(row: list[str], width: int) -> list[str]:
    end = len(row)
    while end > width and not row[end - 1].strip():
        end -= 1
    return row[:end]
