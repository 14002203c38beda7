"""Runs that were recorded elsewhere, from a CSV file with a row a validation.

Columns, in any order: `candidate` (whatever was tried: a setting's name), `task`, `step`, `value`; optional `family`
and `mode` (`min` or `max`), the same in all rows of a task. A value of `inf` (`-inf` where higher is better) says that
the run diverged there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from metaopt.contracts import Array, Curve
from metaopt.errors import InputError, listed, quoted
from metaopt.tasks import clean, numbers_in, read_cells

_NEEDED = ("candidate", "task", "step", "value")
#: Moments at which runs are compared that were not validated at the same steps.
GRID = 100


@dataclass(frozen=True)
class Runs:
    """One curve of each candidate on each task, lower is better, at the same steps within a task.

    Attributes:
        curves: by task, then by candidate; every candidate ran on every task.
        families: by task.
        left_out: candidates that did not run on all tasks.
    """

    curves: Mapping[str, Mapping[str, Curve]]
    families: Mapping[str, str]
    left_out: tuple[str, ...]

    @property
    def candidates(self) -> list[str]:
        """Names, in the order of the file."""
        return list(next(iter(self.curves.values())))


def read_runs(path: str | Path, mode: str | None = None) -> Runs:
    """Read the file.

    Args:
        path: of a `.csv` or `.csv.gz` file.
        mode: `"min"` (the default) or `"max"` for all tasks; not where there is a column `mode`.

    Raises:
        InputError: the file cannot be read, or something in it is wrong; the message names the line.
    """
    frame = read_table(Path(path), mode)
    signs = {task: _same(part, "mode", path) for task, part in frame.groupby("task", sort=False)}
    families = {task: _same(part, "family", path) for task, part in frame.groupby("task", sort=False)}
    frame["value"] *= frame["task"].map({task: 1.0 if sign == "min" else -1.0 for task, sign in signs.items()})
    _refuse(frame["value"] == -np.inf, frame, path, "value is infinitely good", "write a number")
    tasks = list(signs)
    counts = frame.groupby("candidate", sort=False)["task"].nunique()
    complete = [name for name, count in counts.items() if count == len(tasks)]
    _check_counts(path, counts, complete, tasks)
    compared = frame[frame["candidate"].isin(complete)]
    return Runs(
        curves={task: _curves(compared[compared["task"] == task], complete) for task in tasks},
        families=families,
        left_out=tuple(name for name in counts.index if name not in set(complete)),
    )


def read_table(path: Path, mode: str | None) -> pd.DataFrame:
    """The columns, checked row by row, in the file's own orientation."""
    if mode not in (None, "min", "max"):
        raise InputError(f"--mode must be min or max, got {quoted(mode)}.")
    frame = read_cells(path, f"a file of runs has {', '.join(_NEEDED)}", skip_blank_lines=False)
    missing = [name for name in _NEEDED if name not in frame]
    if missing:
        raise InputError(
            f"{quoted(Path(path))} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"a file of runs has {', '.join(_NEEDED)}, got {listed(frame.columns)}."
        )
    if frame.empty:
        raise InputError(f"{quoted(Path(path))} has no rows; write one a validation.")
    if mode is not None and "mode" in frame:
        raise InputError(
            f"{quoted(Path(path))} has a column 'mode', so --mode {mode} cannot be given too; leave one out."
        )
    for name in frame.columns.intersection(["candidate", "task", "family", "mode"]):
        frame[name] = frame[name].map(clean)
    for name in ("candidate", "task"):
        _refuse(frame[name] == "", frame, path, f"{name} is empty", "name it")
    for name in ("step", "value"):
        numbers = numbers_in(frame[name].map(clean))
        advice = "leave the row out, or write inf where the run diverged" if name == "value" else "count steps"
        _refuse(numbers.isna(), frame, path, f"{name} must be a number, got {{{name}}}", advice)
        frame[name] = numbers.astype(np.float64)
    _refuse(~np.isfinite(frame["step"]), frame, path, "step must be finite, got {step}", "count steps")
    again = frame.duplicated(["candidate", "task", "step"])
    what = "candidate {candidate} has step {step} of task {task} a second time"
    _refuse(again, frame, path, what, "keep one row a validation")
    frame["mode"] = frame.get("mode", mode or "min")
    _refuse(~frame["mode"].isin(("min", "max")), frame, path, "mode must be min or max, got {mode}", "write one")
    return frame if "family" in frame else frame.assign(family="runs")


def _refuse(wrong: "pd.Series[bool]", frame: pd.DataFrame, path: str | Path, what: str, advice: str) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        fault = _filled(what, frame.iloc[row])
        raise InputError(f"{quoted(Path(path))}, line {row + 2}: {fault}; {advice}.")


def _same(part: pd.DataFrame, column: str, path: str | Path) -> str:
    """The one value that a column has for a task."""
    first = str(part[column].iloc[0])
    other = part[column] != first
    if other.any():
        row = part[other].iloc[0]
        fault = _filled(f"{column} of task {{task}} was {{first}}, is {{{column}}}", row, first=first)
        raise InputError(f"{quoted(Path(path))}, line {row.name + 2}: {fault}; a task has one.")
    return first


def _filled(what: str, row: "pd.Series[object]", **further: object) -> str:
    """A sentence with cells of a row in it; numbers as they are, text in quotes."""
    cells = {**row.to_dict(), **further}
    return what.format(
        **{name: f"{cell:g}" if isinstance(cell, float) else quoted(cell) for name, cell in cells.items()}
    )


def _check_counts(path: str | Path, counts: "pd.Series[int]", complete: list[str], tasks: list[str]) -> None:
    if len(tasks) < 2:
        raise InputError(
            f"{quoted(Path(path))} has one task, {tasks[0]!r}; what holds for other tasks needs at least two."
        )
    if len(counts) < 2:
        raise InputError(
            f"{quoted(Path(path))} has one candidate, {counts.index[0]!r}; a portfolio is chosen among several."
        )
    if len(complete) < 2:
        raise InputError(
            f"{quoted(Path(path))} has {len(complete)} candidates that ran on all {len(tasks)} tasks, of "
            f"{len(counts)}; at least two are needed: add their runs or leave tasks out."
        )


def _curves(part: pd.DataFrame, candidates: list[str]) -> dict[str, Curve]:
    """Curves of one task at the same steps: those of all runs, or an even grid where they differ."""
    runs = {name: rows.sort_values("step") for name, rows in part.groupby("candidate", sort=False)}
    series = {name: (runs[name]["step"].to_numpy(), runs[name]["value"].to_numpy()) for name in candidates}
    first = next(iter(series.values()))[0]
    if all(np.array_equal(steps, first) for steps, _ in series.values()):
        moments = first
    else:
        begin = max(steps[0] for steps, _ in series.values())  # the first moment at which all runs have a value
        end = max(steps[-1] for steps, _ in series.values())
        moments = np.unique(np.linspace(begin, end, GRID))
    return {name: _curve(steps, values, moments) for name, (steps, values) in series.items()}


def _curve(steps: Array, values: Array, moments: Array) -> Curve:
    """The best value so far at each moment; NaN from where the run diverged. There is no test split but the values."""
    best = np.minimum.accumulate(np.where(np.isfinite(values), values, np.inf))
    broken = np.maximum.accumulate(~np.isfinite(values))
    held = np.where(broken | ~np.isfinite(best), np.nan, best)[np.searchsorted(steps, moments, side="right") - 1]
    return Curve(steps=moments, values=held, horizon=int(np.ceil(moments[-1])), test=held)
