"""One CSV file as a data frame, or a sentence that says why not."""

import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.errors import InputError, first_line

if TYPE_CHECKING:
    import pandas as pd

GAPS = ("", "?", "NA", "N/A", "NaN", "nan", "NULL", "null")
MIN_ROWS = 10


def read_csv(path: Path) -> "pd.DataFrame":
    """The table in a CSV file, header first; `.gz` is decompressed.

    Cells are separated by commas; those in `GAPS` are gaps. Blank lines are skipped.

    Raises:
        InputError: unreadable, ragged, without a header, of fewer than two columns or MIN_ROWS rows.
    """
    frame = _read(path)
    frame.columns = [str(name).strip() for name in frame.columns]
    _check_header(frame, path)
    if len(frame) < MIN_ROWS:
        raise InputError(
            f"{path} has {len(frame)} rows; a table needs at least {MIN_ROWS} to be split into training, validation "
            "and test rows."
        )
    return frame


def _read(path: Path) -> "pd.DataFrame":
    import warnings

    import pandas as pd

    try:
        with warnings.catch_warnings():
            # a warning, to pandas, that it drops the cells beyond the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path,
                index_col=False,
                keep_default_na=False,
                na_values=list(GAPS),
                skipinitialspace=True,
                low_memory=False,
                encoding="utf-8-sig",
            )
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path} is empty; it needs a header and rows.") from error
    except pd.errors.ParserWarning as error:
        raise InputError(f"{path} has rows with more cells than its header has names; make them equal.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8."
        ) from error
    except (OSError, EOFError, zlib.error, pd.errors.ParserError) as error:
        reason = first_line(error).removeprefix("Error tokenizing data. C error: ")
        raise InputError(f"{path} cannot be read as CSV: {reason}; correct the file.") from error


def _check_header(frame: "pd.DataFrame", path: Path) -> None:
    names = list(frame.columns)
    if len(names) < 2:
        raise InputError(
            f"{path} has only the column {names[0]!r}; it needs features and, last, a target, separated by commas."
        )
    numbers = [name for name in names if _is_measurement(name)]
    if numbers:
        raise InputError(f"{path} has the number {numbers[0]!r} for a column's name; its first line must be a header.")


def _is_measurement(name: str) -> bool:
    """Whether a column's name is a number with a fraction, as a first row of data has them; 0, 1, 2 are names."""
    try:
        value = float(name)
    except ValueError:
        return False
    return math.isfinite(value) and not value.is_integer()
