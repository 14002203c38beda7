"""Recorded runs for `metaopt replay`, wherever they are: files of curves, or the ledger of a study."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metaopt.contracts import Curve
from metaopt.errors import InputError, quoted
from metaopt.files import is_file, is_folder
from metaopt.tasks import numbers_in
from metaopt.tuning.ledger.evaluations import Evaluation
from metaopt.tuning.ledger.schema_two import reading
from metaopt.tuning.ledger.sqlite_file import check_exists
from metaopt.tuning.ledger.storage_url import shown
from metaopt.tuning.recorded.runs_file import read_table


@dataclass(frozen=True)
class RecordedTask:
    """Runs of one task.

    Attributes:
        name: of the task.
        curves: lower is better.
        chance: chance level: the metric's value before anything is learned, in the curves' orientation.
        sign: −1 where the user's metric is better when higher.
    """

    name: str
    curves: tuple[Curve, ...]
    chance: float
    sign: float = 1.0


def read_recorded(source: str, mode: str | None = None, chance: float | None = None) -> list[RecordedTask]:
    """Recorded runs of every task that a source holds.

    Args:
        source: a database URL, such as `sqlite:///study.db`; a `.csv` or `.csv.gz` file; a folder of these; or a
            pattern that matches some, such as `runs/*.csv`.
        mode: `"min"` (the default) or `"max"` for all tasks. A ledger's curves are oriented already: there it says
            only how policies see the metric that take a value of it, such as `target`.
        chance: chance level, in the metric's own orientation; for each task the median of its runs' first values
            if left out.

    Raises:
        InputError: nothing is there, it cannot be read, or something in it is wrong.
        StorageError: the database is not there or cannot be reached.
    """
    if "://" in source:
        return _of_ledger(source, mode, chance)
    return [task for path in _files(source) for task in read_curves(path, mode, chance)]


def read_curves(path: str | Path, mode: str | None = None, chance: float | None = None) -> list[RecordedTask]:
    """Recorded runs from a CSV file; see `metaopt.tuning.recorded.runs_file` for its columns.

    Args:
        path: of a `.csv` or `.csv.gz` file. A column `horizon` says how many steps were planned; the last one if left
            out. Further numeric columns whose names begin with `signal:` are signals, such as `signal:train_loss`.
        mode: `"min"` (the default) or `"max"` for all tasks; not where there is a column `mode`.
        chance: chance level; the median of the runs' first values if left out.

    Raises:
        InputError: the file cannot be read, or something in it is wrong.
    """
    frame = read_table(Path(path), mode)
    tasks = []
    for name, part in frame.groupby("task", sort=False):
        sign = 1.0 if part["mode"].iloc[0] == "min" else -1.0
        curves = tuple(_curve(rows.sort_values("step"), sign) for _, rows in part.groupby("candidate", sort=False))
        value = _median_first(curves) if chance is None else sign * chance
        tasks.append(RecordedTask(str(name), curves, value, sign))
    return tasks


def _median_first(curves: Sequence[Curve]) -> float:
    """An estimate of the chance level: the median of the runs' first values; NaN if none is finite."""
    firsts = [float(curve.values[0]) for curve in curves if np.isfinite(curve.values[0])]
    return float(np.median(firsts)) if firsts else math.nan


def _of_ledger(url: str, mode: str | None, chance: float | None) -> list[RecordedTask]:
    """A task a fingerprint, all its evaluations with at least one validation."""
    if mode not in (None, "min", "max"):
        raise InputError(f"--mode must be min or max, got {quoted(mode)}.")
    check_exists(url)
    ledger = reading(url)
    try:
        evaluations = ledger.evaluations()
    finally:
        ledger.close()
    sign = -1.0 if mode == "max" else 1.0
    known = [evaluation for evaluation in evaluations if len(evaluation.curve.values)]
    if not known:
        raise InputError(
            f"The ledger {shown(url)} holds no curves; give the storage of a study that has trained something."
        )
    tasks = []
    for _, group in groupby(sorted(known, key=_fingerprint), key=_fingerprint):
        runs = list(group)
        curves = tuple(evaluation.curve for evaluation in runs)
        value = _median_first(curves) if chance is None else sign * chance
        tasks.append(RecordedTask(runs[0].task, curves, value, sign))
    return sorted(tasks, key=lambda task: task.name)


def _fingerprint(evaluation: Evaluation) -> str:
    return evaluation.key.task_fingerprint


def _files(source: str) -> list[Path]:
    path = Path(source)
    if is_file(path):
        return [path]
    patterns = [str(path / ending) for ending in ("*.csv", "*.csv.gz")] if is_folder(path) else [source]
    try:
        paths = sorted(Path(name) for pattern in patterns for name in glob(pattern))
    except (OSError, ValueError, RecursionError):  # names that no file can have
        paths = []
    if not paths:
        raise InputError(
            f"No file of curves is at {shown(source)}; give a CSV file, a folder or pattern of them, or a ledger's "
            "URL such as sqlite:///study.db."
        )
    return paths


def _curve(rows: pd.DataFrame, sign: float) -> Curve:
    signals: Mapping[str, NDArray[np.float64]] = {
        str(name).removeprefix("signal:"): numbers_in(rows[name]).to_numpy(np.float64)
        for name in rows.columns
        if str(name).startswith("signal:")
    }
    planned = float(pd.to_numeric(rows["horizon"]).iloc[0]) if "horizon" in rows else float(rows["step"].max())
    return Curve(
        steps=rows["step"].to_numpy(),
        values=sign * rows["value"].to_numpy(),
        horizon=math.ceil(planned),
        signals=signals,
    )
