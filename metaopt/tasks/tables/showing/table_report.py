"""What one table would be trained on, and all that stands against it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metaopt.contracts import Task
from metaopt.errors import InputError
from metaopt.tasks.tables.csv_folder import read_table
from metaopt.tasks.tables.division import CheckedTable, divided
from metaopt.tasks.tables.reading.layout import SEPARATORS
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.refusal import Refusal, UnusableTableError
from metaopt.tasks.tables.rows import TableRows
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.showing.hints import hints
from metaopt.tasks.tables.showing.proposals import applied, merged
from metaopt.tasks.tables.table import check_table, task_of

if TYPE_CHECKING:
    import pandas as pd

#: How often what is refused may hide what is refused next.
_MOST_ROUNDS = 20
#: Share of rows about which two good settings disagree, and how much of their squared errors is common.
_DISAGREEMENT, _COMMON = 0.1, 0.9
#: Normal quantile of 95 %.
_QUANTILE = 1.96


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
    refusals: list[Refusal] = []
    proposal: dict[str, Any] = {}
    current = settings
    for _ in range(_MOST_ROUNDS):
        try:
            file = read_table(path, current)
            table = check_table(file.frame, current, str(path), file.ticked)
            rows = divided(table, name, current, str(path))
            task = task_of(table, rows, name, current, str(path))
        except UnusableTableError as error:
            refusals += [refusal for refusal in error.refusals if refusal not in refusals]
            known = {key: _plain(getattr(settings, key)) for refusal in error.refusals for key in refusal.settings}
            proposal = merged({**known, **proposal}, error.refusals)
            following = applied(settings, proposal)
            if following == current:
                break
            current = following
        except InputError as error:
            refusals.append(Refusal("", str(error), ""))
            break
        else:
            return _filled(path, name, current, (file, table, rows, task), refusals, proposal)
    return TableReport(
        name,
        str(path),
        refusals=tuple(refusal.sentence(str(path)) for refusal in refusals),
        settings=proposal,
        choices=_choices(refusals),
        trains=False,
    )


def _plain(value: Any) -> Any:
    """A setting as `corpus.toml` has it; None where it says nothing."""
    if isinstance(value, tuple):
        return list(value)
    return None if value is True or value == 0 else value


def _filled(
    path: Path,
    name: str,
    settings: TableSettings,
    made: tuple[TableFile, CheckedTable, TableRows, Task],
    refusals: list[Refusal],
    proposal: Mapping[str, Any],
) -> TableReport:
    file, table, rows, task = made
    why = {refusal.column: refusal.fault.strip(" :") for refusal in refusals if refusal.column}
    return TableReport(
        name,
        str(path),
        _columns(file.frame, table, settings, why),
        _facts(file, table, rows, task),
        tuple(hints(file, table, rows)),
        tuple(refusal.sentence(str(path)) for refusal in refusals),
        proposal,
        _choices(refusals),
    )


def _choices(refusals: list[Refusal]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(refusal.choice for refusal in refusals if refusal.choice))


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
    train, validation, test = (len(part) for part in rows.own)
    facts: dict[str, Any] = {
        "rows": len(table.rows),
        "rows left out": len(file.frame) - len(table.rows),
        "separator": SEPARATORS.get(file.separator, file.separator),
        "encoding": file.encoding + (", assumed" if file.is_encoding_assumed else ""),
        "target": table.target_name,
        "kind": table.target.kind,
        "inputs": task.splits.train.inputs.shape[1],
        "train": train,
        "validation": validation,
        "test": test,
        "steps": task.num_steps,
        "batch": task.batch_size,
    }
    if table.target.kind == "classification":
        counts = np.bincount(table.target.values, minlength=table.target.num_outputs)
        facts["classes"] = dict(zip(table.target.names, map(int, counts), strict=True))
    else:
        values = table.target.values
        facts["range"] = [float(values.min()), float(np.median(values)), float(values.max())]
    facts["tells apart"] = _resolution(table, validation)
    return facts


def _resolution(table: CheckedTable, num_rows: int) -> str:
    """What validation rows tell apart, before anything was trained: two settings by the same rows, at 95 %.

    Classification: settings that disagree on a share d of n rows differ by noise of sqrt(d / n) in accuracy.
    Regression: squared errors of normal residuals, a share c of them common, differ by sqrt(4 · (1 - c) / n) of their
    mean.
    """
    if table.target.kind == "classification":
        points = 100 * _QUANTILE * sqrt(_DISAGREEMENT / num_rows)
        return f"accuracies about {points:.2g} points apart"
    share = 100 * _QUANTILE * sqrt(4 * (1 - _COMMON) / num_rows)
    return f"mean squared errors about {share:.2g} % apart"
