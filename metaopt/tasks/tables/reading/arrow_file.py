"""Tables in Parquet and Feather files, whose columns have types; `pip install "metaopt-torch[tables]"` reads them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaopt.errors import InputError, first_line, listed, quoted
from metaopt.tasks.tables.columns.cells import clean, typed, without_gaps
from metaopt.tasks.tables.reading.csv_file import MIN_ROWS
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.settings import TableSettings

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".parquet", ".feather")


def read_arrow(
    path: Path, settings: TableSettings | None = None, *, least_rows: int = MIN_ROWS, least_columns: int = 2
) -> TableFile:
    """The table in a Parquet or Feather file. Numbers, booleans and dates are what they are; text is read as in a CSV.

    Args:
        path: of the file.
        settings: what `corpus.toml` says of it.
        least_rows: with fewer it is refused.
        least_columns: likewise.

    Raises:
        InputError: pyarrow is not installed; the file is damaged; a column holds lists or the like; too few rows.
    """
    import pandas as pd

    told = settings or TableSettings()
    reader = pd.read_parquet if path.name.lower().endswith(".parquet") else pd.read_feather
    try:
        raw = reader(path)
    except ImportError as error:
        raise InputError(
            f'{path} needs pyarrow to be read; pip install "metaopt-torch[tables]", or save it as CSV.'
        ) from error
    except Exception as error:  # pyarrow's own, of many kinds
        raise InputError(f"{path} cannot be read: {first_line(error)}; write it again.") from error
    frame = typed_frame(raw, told, str(path))
    if frame.shape[1] < least_columns:
        raise InputError(f"{path} needs at least {least_columns} columns of different names.")
    if len(raw) < least_rows:
        needed = f"a table needs at least {least_rows} to be split into training, validation and test rows"
        raise InputError(f"{path} has {len(raw)} rows; {needed if least_rows > 1 else 'there is nothing to read'}.")
    return TableFile(frame)


def typed_frame(frame: "pd.DataFrame", settings: TableSettings, where: str) -> "pd.DataFrame":
    """A data frame as the reader of files leaves one: numbers, booleans, dates and text, under texts as names.

    Args:
        frame: columns of any type; one that is mistyped as text is read as in a CSV.
        settings: what `corpus.toml` says.
        where: what to call it in messages.

    Raises:
        InputError: it has no columns, two of one name, or one that holds lists or the like.
    """
    import pandas as pd

    names = [clean(str(name)) for name in frame.columns]
    if len(set(names)) < len(names) or not names:
        raise InputError(f"{where} needs columns of different names, got {listed(names)}.")
    columns = [_column(frame.iloc[:, place], name, settings, where) for place, name in enumerate(names)]
    return pd.concat([column.reset_index(drop=True) for column in columns], axis="columns", keys=names)


def _column(column: "pd.Series[Any]", name: str, settings: TableSettings, where: str) -> "pd.Series[Any]":
    import pandas as pd

    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.dt.tz_convert("UTC").dt.tz_localize(None)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if column.dtype.kind in "biuf" and not pd.api.types.is_extension_array_dtype(column.dtype):
        amounts = [float(gap) for gap in settings.gaps if _is_number(gap)]
        return column.mask(column.isin(amounts)) if amounts and column.isin(amounts).any() else column
    if column.dtype.kind in "M":
        return column
    if column.dtype.kind == "m":
        return column.dt.total_seconds()
    if pd.api.types.is_numeric_dtype(column.dtype):  # whole numbers and booleans with gaps
        return column.astype("float64")
    filled = column.dropna()
    odd = filled[filled.map(lambda value: isinstance(value, list | dict | tuple | bytes) or (hasattr(value, "__len__")
                            and not isinstance(value, str)))]  # fmt: skip
    if len(odd):
        raise InputError(
            f"{where}, column {quoted(name)} holds {type(odd.iloc[0]).__name__}s; a cell must be a number or a text."
        )
    texts = column.map(lambda value: "" if value is None or value is pd.NA or value != value else str(value))
    texts = texts.astype(object)
    if settings.gaps:
        texts = without_gaps(texts, settings.gaps)
    return typed(texts, as_labels=name in settings.categories)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
