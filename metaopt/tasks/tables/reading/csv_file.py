"""One CSV file as a data frame, or a sentence that says why not."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.errors import InputError, first_line, listed, quoted
from metaopt.files import read_content
from metaopt.tasks.tables.columns.cells import GAPS, clean, typed, without_gaps
from metaopt.tasks.tables.reading.encoding import Decoded, UnknownEncodingError, decoded
from metaopt.tasks.tables.reading.header import check_header, names_of, without_header_again
from metaopt.tasks.tables.reading.layout import SEPARATORS, layout_of
from metaopt.tasks.tables.reading.ragged_rows import mended
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.refusal import refused_file
from metaopt.tasks.tables.settings import TableSettings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GAPS", "MIN_ROWS", "Texts", "read_cells", "read_csv", "read_texts"]

MIN_ROWS = 10

#: A column of this and of empty cells says yes and no.
_TICKS = frozenset({"x", "X", "✓", "✔", "✗", "●", "yes", "Yes", "ja", "Ja", "oui", "true", "True", "y", "Y", "j", "J"})


def read_csv(path: Path, settings: TableSettings | None = None) -> TableFile:
    """The table in a CSV file, header first; `.gz` is decompressed.

    What separates cells, and the encoding, are found (`metaopt.tasks.tables.reading.layout`, `…encoding`) or told by
    the settings. Cells in `GAPS` are gaps. Blank lines are skipped, and so are columns without a name and rows at the
    end that are empty. See `metaopt.tasks.tables.columns.cells` for what makes a column one of numbers.

    Args:
        path: of the file.
        settings: what `corpus.toml` says of it.

    Raises:
        InputError: unreadable, ragged, without a header, with two columns of one name, with another header among its
            rows, of fewer than two columns or MIN_ROWS rows.
    """
    told = settings or TableSettings()
    texts = read_texts(path, told)
    names, cells = list(texts.cells.columns), texts.cells.set_axis(range(texts.cells.shape[1]), axis="columns")
    return typed_cells(names, cells, told, texts)


@dataclass(frozen=True, eq=False)
class Texts:
    """The cells of a file as they stand there.

    Attributes:
        cells: text, a column a name; empty where the settings call a text a gap.
        separator: what stands between cells.
        encoding: of the file.
        is_assumed: whether nothing in the file says that it is this one.
    """

    cells: "pd.DataFrame"
    separator: str
    encoding: str
    is_assumed: bool


def read_texts(path: Path, settings: TableSettings, *, least_rows: int = MIN_ROWS, least_columns: int = 2) -> Texts:
    """The cells of a file before anybody asks what they mean; see `read_csv`.

    Args:
        path: of the file.
        settings: what `corpus.toml` says of it.
        least_rows: with fewer it is refused.
        least_columns: likewise.

    Raises:
        InputError: see `read_csv`.
    """
    source = text_of_file(path, settings)
    text, layout = source.text, layout_of(source.text, settings.separator)
    text = _without_lines(text, layout.skipped + settings.skip_lines, settings.comment)
    _check_beginning(text, settings, path)
    names = names_of(text, path, layout.separator, settings, None if least_columns > 1 else "")
    cells = _cells(text, len(names), path, layout.separator, settings)
    names, cells = _without_empty(names, cells)
    if settings.header:
        cells = without_header_again(names, cells, path, settings)
        check_header(names, cells, path)
    check_length(cells, path, least_rows)
    return Texts(
        without_told_gaps(cells, settings).set_axis(names, axis="columns"),
        layout.separator,
        source.encoding,
        source.is_assumed,
    )


def check_length(cells: "pd.DataFrame", path: Path, least: int = MIN_ROWS) -> None:
    """Refuse tables of too few rows.

    Raises:
        InputError: it is one.
    """
    if len(cells) < least:
        needed = f"a table needs at least {least} to be split into training, validation and test rows"
        raise InputError(f"{path} has {len(cells)} rows; {needed if least > 1 else 'there is nothing to read'}.")


def without_told_gaps(cells: "pd.DataFrame", settings: TableSettings) -> "pd.DataFrame":
    """The cells, empty where the settings call a text a gap."""
    return cells.apply(without_gaps, gaps=settings.gaps) if settings.gaps else cells


def typed_cells(names: list[str], cells: "pd.DataFrame", settings: TableSettings, texts: Texts) -> TableFile:
    """The table of some cells, each column of numbers, of booleans or of text.

    Args:
        names: of the columns.
        cells: text in all; the columns are called 0, 1 and so on.
        settings: what `corpus.toml` says.
        texts: how they stood in the file.
    """
    import pandas as pd

    ticked = tuple(name for place, name in enumerate(names) if _are_ticks(cells[place]))
    columns = [
        cells[place].map(lambda text: bool(clean(text)))
        if name in ticked
        else typed(cells[place], as_labels=name in settings.categories)
        for place, name in enumerate(names)
    ]
    frame = pd.concat(columns, axis="columns", keys=names)
    padded = [name for place, name in enumerate(names) if frame[name].dtype.kind == "i" and _is_padded(cells[place])]
    return TableFile(frame, texts.separator, texts.encoding, texts.is_assumed, tuple(padded), ticked)


def read_cells(path: Path, wanted: str, *, skip_blank_lines: bool = True) -> "pd.DataFrame":
    """The cells of a file separated by commas as they stand there, header first; `.gz` is decompressed.

    Args:
        path: of the file.
        wanted: what its columns should be, for messages.
        skip_blank_lines: whether lines without a cell are left out; otherwise they are rows of empty cells.

    Returns:
        Text in all cells, columns under names without spaces around.

    Raises:
        InputError: unreadable, not UTF-8, ragged, of one column, with two columns of one name, or separated otherwise.
    """
    plain = TableSettings(encoding="utf-8")
    text = text_of_file(path, plain).text
    names = names_of(text, path, ",", plain, wanted)
    for mark, called in SEPARATORS.items():
        if mark != "," and sum(name.count(mark) for name in names) >= len(names):
            only = f"only the column {quoted(names[0])}" if len(names) == 1 else f"the columns {listed(names, 3)}"
            raise InputError(
                f"{path} has {only}; {wanted}, separated by commas, and seems to have "
                f"{called} instead: save it with commas between cells and points in decimals."
            )
    if len(names) < 2:
        raise InputError(f"{path} has only the column {quoted(names[0])}; {wanted}, separated by commas.")
    cells = _cells(text, len(names), path, ",", plain, skip_blank_lines=skip_blank_lines)
    return cells.set_axis(names, axis="columns")


def text_of_file(path: Path, settings: TableSettings) -> Decoded:
    """The text of a file; `.gz` is decompressed.

    Raises:
        InputError: it cannot be read, is empty, or no text.
    """
    try:
        content = read_content(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as CSV: {first_line(error)}; correct the file.") from error
    try:
        source = decoded(content, settings.encoding)
    except ValueError as error:
        settled = error.settings if isinstance(error, UnknownEncodingError) else {}
        raise refused_file(f"{path} {first_line(error).removeprefix('it ')}.", settled) from error
    if "\0" in source.text:
        line = source.text[: source.text.index("\0")].count("\n") + 1
        raise InputError(
            f"{path} holds null bytes, the first in line {line}; it is damaged or no text: export it again."
        )
    if not source.text.strip():
        raise InputError(f"{path} is empty; it needs a header and rows.")
    return source


def _without_lines(text: str, count: int, comment: str | None) -> str:
    if not count and comment is None:
        return text
    lines = io.StringIO(text, newline="").readlines() if "\r\n" in text else text.splitlines(keepends=True)
    return "".join(line for line in lines[count:] if comment is None or not line.startswith(comment))


def _check_beginning(text: str, settings: TableSettings, path: Path) -> None:
    """Refuse lines before the header, which nobody said are none."""
    layout = layout_of(text, settings.separator)
    if not layout.preamble:
        return
    first = text.lstrip().split("\n", 1)[0]
    before = f"{layout.preamble} line{'s' if layout.preamble > 1 else ''}"
    if first.startswith("#"):
        raise refused_file(
            f'{path} begins with comments such as {quoted(first.strip())}; write comment = "#" in corpus.toml, or '
            "remove them.",
            {"comment": "#"},
        )
    raise refused_file(
        f"{path} begins with {before} that {'are' if layout.preamble > 1 else 'is'} no header and no row, such as "
        f"{quoted(first.strip())}; write skip_lines = {settings.skip_lines + layout.preamble} in corpus.toml, or "
        "remove them.",
        {"skip_lines": settings.skip_lines + layout.preamble},
    )


def _cells(
    text: str,
    num_columns: int,
    path: Path,
    separator: str,
    settings: TableSettings,
    *,
    skip_blank_lines: bool = True,
) -> "pd.DataFrame":
    """The rows; the columns are called 0, 1 and so on."""
    import warnings

    import pandas as pd

    try:
        with warnings.catch_warnings():
            # a warning, to pandas, that it drops the cells beyond the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.StringIO(text, newline=""),
                sep=separator,
                header=0 if settings.header else None,
                names=range(num_columns),
                index_col=False,
                dtype=object,
                na_filter=False,
                skipinitialspace=True,
                skip_blank_lines=skip_blank_lines,
            ).fillna("")  # where a row is too short
    except pd.errors.ParserWarning as error:
        whole = mended(text, num_columns, path, separator, settings)
        if whole is None:
            raise refused_file(
                f"{path} has rows with more cells than its header has names; make them equal."
            ) from error
        return whole
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        whole = mended(text, num_columns, path, separator, settings)
        if whole is None:
            what = str(error).strip().removeprefix("Error tokenizing data. C error: ").rstrip(".")
            raise InputError(f"{path} cannot be read as CSV: {what}; correct the file.") from error
        return whole


def _without_empty(names: list[str], cells: "pd.DataFrame") -> tuple[list[str], "pd.DataFrame"]:
    """The table without columns that have neither a name nor a cell, and without empty rows at its end.

    Of one column, blank lines are gone already: a row that is left says `""`, an empty text.
    """
    kept = [
        place
        for place, name in enumerate(names)
        if not name.startswith("Unnamed: ") or cells[place].map(str.strip).any()
    ]
    cells = cells[kept].set_axis(range(len(kept)), axis="columns")
    filled = len(cells)
    while len(names) > 1 and filled and not any(str(cell).strip() for cell in cells.iloc[filled - 1]):
        filled -= 1
    return [names[place] for place in kept], cells.iloc[:filled]


def _is_padded(column: "pd.Series[str]") -> bool:
    return any(len(text) > 1 and text[0] == "0" for text in map(str.strip, column.unique()))


def _are_ticks(column: "pd.Series[str]") -> bool:
    """Whether the column is of one such text as `x`, and of blanks."""
    if column.iloc[:1000].nunique() > 2 or column.nunique() != 2:
        return False
    different = {clean(str(text)) for text in column.unique()}
    return "" in different and len(different) == 2 and different - {""} <= _TICKS
