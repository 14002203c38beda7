"""Recorded runs for `metaopt replay`, wherever they are: files of curves, or the ledger of a study."""

from glob import glob
from itertools import groupby
from pathlib import Path

from metaopt.errors import InputError
from metaopt.tuning.database import check_exists, shown
from metaopt.tuning.entries import Evaluation
from metaopt.tuning.ledger import Ledger
from metaopt.tuning.replay import RecordedTask, median_first, read_curves


def read_recorded(source: str, mode: str | None = None, chance: float | None = None) -> list[RecordedTask]:
    """Recorded runs of every task that a source holds.

    Args:
        source: a database URL, such as `sqlite:///study.db`; a `.csv` or `.csv.gz` file; a folder of these; or a
            pattern that matches some, such as `runs/*.csv`.
        mode: `"min"` (the default) or `"max"` for all tasks. A ledger's curves are oriented already: there it says
            only how policies see the metric that take a value of it, such as `target`.
        chance: value of who knows nothing, in the metric's own orientation; for each task the median of its runs'
            first values if left out.

    Raises:
        InputError: nothing is there, it cannot be read, or something in it is wrong.
        StorageError: the database is not there or cannot be reached.
    """
    if "://" in source:
        return _of_ledger(source, mode, chance)
    return [task for path in _files(source) for task in read_curves(path, mode, chance)]


def _of_ledger(url: str, mode: str | None, chance: float | None) -> list[RecordedTask]:
    """A task a fingerprint, all its evaluations with at least one validation."""
    if mode not in (None, "min", "max"):
        raise InputError(f"--mode must be min or max, got {mode!r}.")
    check_exists(url)
    ledger = Ledger(url)
    try:
        evaluations = ledger.evaluations()
    finally:
        ledger.close()
    sign = -1.0 if mode == "max" else 1.0
    known = [one for one in evaluations if len(one.curve.values)]
    if not known:
        raise InputError(
            f"The ledger {shown(url)} holds no curves; give the storage of a study that has trained something."
        )
    tasks = []
    for _, group in groupby(sorted(known, key=_fingerprint), key=_fingerprint):
        runs = list(group)
        curves = tuple(one.curve for one in runs)
        value = median_first(curves) if chance is None else sign * chance
        tasks.append(RecordedTask(runs[0].task, curves, value, sign))
    return sorted(tasks, key=lambda one: one.name)


def _fingerprint(evaluation: Evaluation) -> str:
    return evaluation.key.task_fingerprint


def _files(source: str) -> list[Path]:
    path = Path(source)
    if path.is_file():
        return [path]
    patterns = [str(path / ending) for ending in ("*.csv", "*.csv.gz")] if path.is_dir() else [source]
    found = sorted(Path(one) for pattern in patterns for one in glob(pattern))
    if not found:
        raise InputError(
            f"No file of curves is at {source!r}; give a CSV file, a folder or pattern of them, or a ledger's URL such "
            "as sqlite:///study.db."
        )
    return found
