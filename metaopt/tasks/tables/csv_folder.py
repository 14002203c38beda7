"""A folder of CSVs as a corpus: one file a task, header first, target last.

An optional `corpus.toml` says more, a table a file, with `[defaults]` for all; its keys are the fields of
`metaopt.tasks.tables.settings.TableSettings`:

    [defaults]
    num_steps = 400

    [housing]                             # housing.csv or housing.csv.gz
    task = "regression"
    model = "package.module:factory"      # called with (num_inputs, num_outputs)
    categories = ["district"]             # integer codes that are no numbers

Without it, a target of text or of few whole numbers makes a classification (`metaopt.tasks.tables.target`). Columns of
numbers are scaled, integer codes too; columns of text are one-hot; gaps are imputed; infinite numbers, numbers
written differently from plain ones (percentages, money, dates: `metaopt.tasks.tables.cell_formats`), free text and
identifiers are refused by name, all columns of a file at once (`metaopt.tasks.tables.features`). Rows are split
.6/.2/.2 (`metaopt.tasks.tables.splitting`).
"""

from pathlib import Path

from metaopt.contracts import Corpus
from metaopt.errors import InputError, did_you_mean, quoted
from metaopt.files import folders_like, is_file, is_folder, is_utf8
from metaopt.tasks.tables.csv_file import read_csv
from metaopt.tasks.tables.settings import read_settings
from metaopt.tasks.tables.table import task_from_frame

SUFFIXES = (".csv", ".csv.gz")


def load_csv_folder(folder: Path) -> Corpus:
    """The corpus in a folder, tasks in the order of their files' names.

    Raises:
        InputError: no folder, no CSV in it, or a file that cannot be used.
    """
    files = _csv_files(folder)
    settings = read_settings(folder, files)
    tasks = [
        task_from_frame(read_csv(path, settings[stem].categories), stem, settings[stem], str(path))
        for stem, path in files.items()
    ]
    return Corpus(folder.resolve().name, tuple(tasks))


def _csv_files(folder: Path) -> dict[str, Path]:
    """Files by name without suffix, sorted."""
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
        raise InputError(f"{quoted(folder)} holds no .csv or .csv.gz file; a corpus has one a task.")
    return files
