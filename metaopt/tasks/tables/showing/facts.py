"""About a task that is shown: sizes, classes, columns, and what its validation rows tell apart."""

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from metaopt.contracts import Task
from metaopt.tasks.tables.example_labels import InputColumns
from metaopt.tasks.tables.reading.layout import SEPARATORS
from metaopt.tasks.tables.reading.table_file import TableFile
from metaopt.tasks.tables.settings import TableKind, TableSettings
from metaopt.tasks.tables.splitting import Rows
from metaopt.tasks.tables.target import Target

if TYPE_CHECKING:
    import pandas as pd

#: Share of rows about which two good settings disagree, and how much of their squared errors is common.
_DISAGREEMENT, _COMMON = 0.1, 0.9
#: Normal quantile of 95 %.
_QUANTILE = 1.96


def facts_of_task(task: Task, target: Target, own: Rows) -> dict[str, Any]:
    """Sizes of a task, its classes or the range of its target, and what its validation rows tell apart.

    Args:
        task: that is shown.
        target: of all rows.
        own: rows that train, validate and test.
    """
    train, validation, test = (len(part) for part in own)
    facts: dict[str, Any] = {
        "train": train,
        "validation": validation,
        "test": test,
        "steps": task.num_steps,
        "batch": task.batch_size,
    }
    if target.kind == "classification":
        counts = np.bincount(target.values, minlength=target.num_outputs)
        facts["classes"] = dict(zip(target.names, map(int, counts), strict=True))
    else:
        values = target.values
        facts["range"] = [float(values.min()), float(np.median(values)), float(values.max())]
    facts["tells apart"] = resolution(target.kind, validation)
    return facts


def facts_of_file(file: TableFile, num_rows: int) -> dict[str, Any]:
    """How a file was read, and how many of its rows are used."""
    return {
        "rows": num_rows,
        "rows left out": len(file.frame) - num_rows,
        "separator": SEPARATORS.get(file.separator, file.separator),
        "encoding": file.encoding + (", assumed" if file.is_encoding_assumed else ""),
    }


def resolution(kind: TableKind, num_rows: int) -> str:
    """What validation rows tell apart, before anything was trained: two settings by the same rows, at 95 %.

    Classification: settings that disagree on a share d of n rows differ by noise of sqrt(d / n) in accuracy.
    Regression: squared errors of normal residuals, a share c of them common, differ by sqrt(4 · (1 - c) / n) of their
    mean.
    """
    if kind == "classification":
        points = 100 * _QUANTILE * sqrt(_DISAGREEMENT / num_rows)
        return f"accuracies about {points:.2g} points apart"
    share = 100 * _QUANTILE * sqrt(4 * (1 - _COMMON) / num_rows)
    return f"mean squared errors about {share:.2g} % apart"


def example_columns(
    frame: "pd.DataFrame", columns: InputColumns, becomes: str, what: str, settings: TableSettings
) -> dict[str, str]:
    """What the columns of a table become one of which is the input, alone.

    Args:
        frame: the table.
        columns: that are read.
        becomes: what the input does.
        what: it is called.
        settings: what `corpus.toml` says.
    """
    own = {
        **dict.fromkeys(settings.drop, "dropped"),
        **({} if settings.group is None else {settings.group: "group, no input"}),
        **({} if settings.time is None else {settings.time: "time, no input"}),
        columns.input: becomes,
        columns.target: "target",
    }
    return {name: own.get(name, f"no input beside the {what}") for name in map(str, frame.columns)}
