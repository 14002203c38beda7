"""A file of rows to predict, as text: in the training file's dialect, or in another that it says or shows itself."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.errors import InputError, quoted
from metaopt.files import is_file, is_folder
from metaopt.tasks.tables.csv_folder import SUFFIXES, WORKBOOKS
from metaopt.tasks.tables.reading.arrow_file import SUFFIXES as ARROW
from metaopt.tasks.tables.reading.arrow_file import read_arrow
from metaopt.tasks.tables.reading.csv_file import Texts, read_texts
from metaopt.tasks.tables.refusal import UnusableTableError
from metaopt.tasks.tables.settings import TableSettings

if TYPE_CHECKING:
    import pandas as pd


def read_new_file(path: Path, settings: TableSettings) -> "pd.DataFrame":
    """The cells of a file, which may have one row and one column.

    Args:
        path: of the file.
        settings: what `corpus.toml` says of the training rows.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    if not is_file(path):
        what = "is a folder" if is_folder(path) else "does not exist"
        raise InputError(f"{quoted(path)} {what}; rows to predict are a CSV, Parquet or Feather file.")
    name = path.name.lower()
    if name.endswith(WORKBOOKS):
        raise InputError(f"{quoted(path)} is a workbook, which is not read; save it as CSV.")
    if name.endswith(ARROW):
        return read_arrow(path, settings, least_rows=1, least_columns=1).frame
    if not name.endswith(SUFFIXES):
        raise InputError(f"{quoted(path)} is no table by its name; there are {', '.join(SUFFIXES)}.")
    return _texts(path, settings).cells


def _texts(path: Path, settings: TableSettings) -> Texts:
    """The cells by what the file itself shows; by what the owner said of the training file where it shows nothing."""
    open_ = replace(settings, separator=None, encoding=None, skip_lines=0)
    try:
        texts = _read(path, open_)
    except UnusableTableError as error:
        told = {key: value for refusal in error.refusals for key, value in refusal.settings.items()}
        if told.get("skip_lines") == settings.skip_lines > 0:
            open_ = replace(open_, skip_lines=settings.skip_lines)
            texts = _read(path, open_)
        elif settings.encoding is not None:
            texts = _read(path, replace(open_, encoding=settings.encoding))
        else:
            raise
    if texts.is_assumed and settings.encoding is not None:
        texts = _read(path, replace(open_, encoding=settings.encoding))
    if len(texts.cells.columns) == 1 and settings.separator is not None:
        texts = _read(path, replace(open_, separator=settings.separator))
    return texts


def _read(path: Path, settings: TableSettings) -> Texts:
    return read_texts(path, settings, least_rows=1, least_columns=1)
