"""What one table would be trained on, and all that stands against it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaopt.contracts import Task
from metaopt.tasks.tables.csv_folder import read_table
from metaopt.tasks.tables.division import CheckedTable, divided
from metaopt.tasks.tables.image_table import check_images, image_columns, image_task
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.rows import TableRows
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.attempt import attempted
from metaopt.tasks.tables.showing.facts import facts_of_file, facts_of_task
from metaopt.tasks.tables.showing.hints import hints
from metaopt.tasks.tables.showing.image_report import ReadImages
from metaopt.tasks.tables.showing.text_report import ReadTexts
from metaopt.tasks.tables.table import check_table, task_of
from metaopt.tasks.tables.text_table import check_texts, text_columns, text_task

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TableReport:
    """What a table becomes.

    Attributes:
        name: of the task.
        path: of the file.
        columns: names with what they become.
        facts: numbers by name: rows, classes, sizes of splits; empty where the table cannot be used whatever is pasted.
        hints: sentences worth knowing.
        refusals: sentences; empty where the table trains as it is.
        settings: what `corpus.toml` has to say beside what it says.
        choices: what else these may say.
        trains: whether the table trains once they are pasted.
    """

    name: str
    path: str
    columns: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    hints: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    trains: bool = True


def report_of(path: Path, name: str, settings: TableSettings) -> TableReport:
    """Read a table as training reads it, and on after each refusal as if the owner had pasted what it proposes.

    Args:
        path: of the file.
        name: of its task.
        settings: what `corpus.toml` says of it.
    """
    attempt = attempted(lambda current: _read(path, name, current), settings)
    sentences = tuple(refusal.sentence(str(path)) for refusal in attempt.refusals)
    if attempt.made is None:
        return TableReport(
            name, str(path), refusals=sentences, settings=attempt.proposal, choices=attempt.choices, trains=False
        )
    why = {refusal.column: refusal.fault.strip(" :") for refusal in attempt.refusals if refusal.column}
    columns, facts, lines = attempt.made.report(attempt.settings, why)
    return TableReport(name, str(path), columns, facts, lines, sentences, attempt.proposal, attempt.choices)


def _read(path: Path, name: str, settings: TableSettings) -> "ReadTable | ReadTexts | ReadImages":
    """Read a table as training does."""
    file = read_table(path, settings)
    columns = image_columns(file.frame, settings, str(path))
    if columns is not None:
        images = check_images(file.frame, columns, settings, str(path))
        return ReadImages(file, images, image_task(images, name, settings, str(path)))
    columns = text_columns(file.frame, settings, str(path))
    if columns is not None:
        texts = check_texts(file.frame, columns, settings, str(path))
        return ReadTexts(file, texts, text_task(texts, name, settings, str(path)))
    table = check_table(file.frame, settings, str(path), file.ticked)
    rows = divided(table, name, settings, str(path))
    return ReadTable(file, table, rows, task_of(table, rows, name, settings, str(path)))


@dataclass(frozen=True, eq=False)
class ReadTable:
    """A table as training reads it."""

    file: TableFile
    table: CheckedTable
    rows: TableRows
    task: Task

    def report(
        self, settings: TableSettings, why: Mapping[str, str]
    ) -> tuple[Mapping[str, str], Mapping[str, Any], tuple[str, ...]]:
        """Columns, facts and hints; see `TableReport`."""
        columns = _columns(self.file.frame, self.table, settings, why)
        facts = _facts(self.file, self.table, self.rows, self.task)
        return columns, facts, tuple(hints(self.file, self.table, self.rows))


def _columns(
    frame: "pd.DataFrame", table: CheckedTable, settings: TableSettings, why: Mapping[str, str]
) -> dict[str, str]:
    columns: dict[str, str] = {}
    for name in map(str, frame.columns):
        gaps = int(frame[name].iloc[table.rows].isna().sum())
        if name == table.target_name:
            columns[name] = "target"
        elif name == settings.group:
            columns[name] = "group, no input"
        elif name in settings.drop:
            columns[name] = f"dropped: {why[name]}" if name in why else "dropped"
        else:
            columns[name] = table.features.meanings[name] + (f"; {gaps} gaps filled" if gaps else "")
    return columns


def _facts(file: TableFile, table: CheckedTable, rows: TableRows, task: Task) -> dict[str, Any]:
    target = table.target
    return {
        **facts_of_file(file, len(table.rows)),
        "target": table.target_name,
        "kind": target.kind,
        "inputs": task.splits.train.inputs.shape[1],
        **facts_of_task(task, target, rows.own),
    }
