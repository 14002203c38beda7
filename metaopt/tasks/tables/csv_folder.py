"""A folder of tables as a corpus: one file a task, header first, target last; see SUFFIXES for what files.

An optional `corpus.toml` says more, a table a file, with `[defaults]` for all; its keys are the fields of
`metaopt.tasks.tables.settings.TableSettings`:

    [defaults]
    num_steps = 400

    [housing]                             # housing.csv or housing.csv.gz
    task = "regression"
    model = "package.module:factory"      # called with (num_inputs, num_outputs)
    categories = ["district"]             # integer codes that are no numbers

Without it, a target of text or of few whole numbers makes a classification (`metaopt.tasks.tables.target`). Columns of
numbers are scaled, integer codes too; dates become parts; columns of text are one-hot, or their mean targets where they
have many values; gaps are imputed; infinite numbers, free text, identifiers, and what can be read in two ways are
refused by name, all columns of a file at once (`metaopt.tasks.tables.columns.features`). Rows are split .6/.2/.2
(`metaopt.tasks.tables.splitting`).
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from metaopt.contracts import Corpus, Task
from metaopt.errors import InputError, did_you_mean, quoted
from metaopt.files import as_path, folders_like, is_file, is_folder, is_utf8
from metaopt.tasks.tables.reading.arrow_file import SUFFIXES as ARROW
from metaopt.tasks.tables.reading.arrow_file import read_arrow
from metaopt.tasks.tables.reading.csv_file import read_csv
from metaopt.tasks.tables.reading.json_lines import SUFFIXES as JSON
from metaopt.tasks.tables.reading.json_lines import read_json_lines
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.refusal import UnusableTableError
from metaopt.tasks.tables.settings import TableSettings, read_settings
from metaopt.tasks.tables.table import task_from_frame

TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
SUFFIXES = (*TEXT, *JSON, *ARROW)

#: Tables that are not read, and what to do with them.
WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")

#: Of a message that names the faults of several tables; `metaopt show` names all.
_MOST_CHARACTERS = 460


def load_csv_folder(folder: Path) -> Corpus:
    """The corpus in a folder, tasks in the order of their files' names; its notes say what makes scores flatter.

    Raises:
        InputError: no folder, no table in it, or files that cannot be used, all of them in one message.
    """
    files = table_files(folder)
    settings = read_settings(folder, files)
    tasks: list[Task] = []
    faults: list[InputError] = []
    notes: list[str] = []
    for stem, path in files.items():
        try:
            tasks.append(read_task(path, stem, settings[stem], notes.append))
        except InputError as error:
            faults.append(error)
    if faults:
        raise joined_faults(faults, folder)
    return Corpus(folder.resolve().name, tuple(tasks), tuple(notes))


def table_task(source: Task | str | Path) -> Task:
    """A task as it is, or that of one file, by which a `corpus.toml` may lie.

    Raises:
        InputError: it is no task and no table's file, or the file cannot be used.
    """
    if isinstance(source, Task):
        return source
    if not isinstance(source, str | Path):
        raise InputError(
            f"A table is a file or a task, got {type(source).__name__}; for data frames and arrays there are "
            "metaopt.RecipeClassifier and metaopt.RecipeRegressor."
        )
    path = as_path(source, "A table")
    if not is_file(path):
        return _only_task(path)
    stem = next((path.name[: -len(end)] for end in SUFFIXES if path.name.lower().endswith(end)), None)
    if stem is None:
        books = "a workbook, which is not read; save it as CSV" if path.name.lower().endswith(WORKBOOKS) else "no table"
        raise InputError(f"{quoted(path)} is {books}; tables end in {', '.join(SUFFIXES)}.")
    return read_task(path, stem, read_settings(path.parent, table_files(path.parent))[stem])


def _only_task(folder: Path) -> Task:
    if is_folder(folder):
        files = table_files(folder)
        if len(files) > 1:
            raise InputError(
                f"{quoted(folder)} holds {len(files)} tables; name one of them, such as "
                f"{quoted(next(iter(files.values())))}."
            )
        return load_csv_folder(folder).tasks[0]  # type: ignore[return-value]
    hint = did_you_mean(str(folder), folders_like(folder), " ({})")
    raise InputError(f"{quoted(folder)} does not exist{hint}; a table is a CSV, Parquet or Feather file.")


def read_task(path: Path, name: str, settings: TableSettings, warn: Callable[[str], None] | None = None) -> Task:
    """The task in a file; `warn` gets what makes its scores flatter, a line each.

    Raises:
        InputError: it cannot be used.
    """
    file = read_table(path, settings)
    return task_from_frame(file.frame, name, settings, str(path), file.ticked, warn)


def read_table(path: Path, settings: TableSettings) -> TableFile:
    """The table in a file, by its name's ending.

    Raises:
        InputError: it cannot be read.
    """
    name = path.name.lower()
    reader = read_arrow if name.endswith(ARROW) else read_json_lines if name.endswith(JSON) else read_csv
    return reader(path, settings)


def table_files(folder: Path) -> Mapping[str, Path]:
    """Files of tables by name without suffix, sorted.

    Raises:
        InputError: no folder, no table in it, or two of one name.
    """
    if not is_folder(folder):
        what = "is a file" if is_file(folder) else "does not exist"
        what += did_you_mean(str(folder), folders_like(folder), " ({})")
        raise InputError(f"{quoted(folder)} {what}; a corpus is a folder of CSV files, one a task.")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), None)
        if suffix is None or path.name.startswith(".") or not path.is_file():
            continue
        stem = path.name[: -len(suffix)]
        if not is_utf8(stem):
            raise InputError(f"{quoted(path)} has a name that is not UTF-8, and gives its task its name; rename it.")
        if stem in files:
            raise InputError(f"{files[stem]} and {path} are two files for one task; remove one.")
        files[stem] = path
    if not files:
        books = workbooks(folder)
        if books:
            raise InputError(
                f"{quoted(books[0])} is a workbook, which is not read; save each of its sheets as CSV "
                "(in a spreadsheet: File, Save as, CSV UTF-8), one file a task."
            )
        raise InputError(
            f"{quoted(folder)} holds no .csv or .csv.gz file; a corpus has one a task, or images or texts in folders "
            f"of their classes{_what_else(folder)}."
        )
    return files


def _what_else(folder: Path) -> str:
    """What a folder has in place of tables, and what might be done about it."""
    paths = [path for path in sorted(folder.glob("**/*")) if path.is_file() and not path.name.startswith(".")]
    texts = [path for path in paths if path.suffix.lower() == ".txt" and path.parent == folder]
    if len(texts) == 1 and len(paths) == 1:
        name = texts[0].with_suffix(".csv").name
        return f"; if {quoted(texts[0].name)} holds a table, such as texts with labels, rename it {quoted(name)}"
    return f"; it has files such as {quoted(paths[0].relative_to(folder))}" if paths else ""


def holds_tables(folder: Path) -> bool:
    """Whether a folder has a file that is read as a table."""
    return any(path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".") for path in folder.iterdir())


def workbooks(folder: Path) -> list[Path]:
    """Files of spreadsheets in a folder, which are not read."""
    return [path for path in sorted(folder.iterdir()) if path.name.lower().endswith(WORKBOOKS)]


def joined_faults(faults: Sequence[InputError], folder: Path, what: str = "tables") -> InputError:
    """The faults of a folder's tables in one message, as far as it has room for them.

    Args:
        faults: at least one.
        folder: whose tables they are about.
        what: they are called.
    """
    if len(faults) == 1:
        return faults[0]
    beginning = f"{len(faults)} {what} cannot be used; metaopt show prints all of it, with a corpus.toml to paste: "
    parts: list[str] = []
    for fault in faults:
        part = str(fault).replace(f"{folder}{os.sep}", "").rstrip(".")
        if parts and len(beginning) + len("; ".join([*parts, part])) > _MOST_CHARACTERS:
            break
        parts.append(part)
    more = f"; and {len(faults) - len(parts)} more" if len(parts) < len(faults) else ""
    sentence = beginning + "; ".join(parts)
    sentence = sentence if len(sentence) <= _MOST_CHARACTERS else f"{sentence[: _MOST_CHARACTERS - 1]}…"
    refusals = [refusal for fault in faults if isinstance(fault, UnusableTableError) for refusal in fault.refusals]
    return UnusableTableError(f"{sentence}{more}.", refusals)
