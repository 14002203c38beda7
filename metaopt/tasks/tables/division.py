"""Which rows of a table there are, and which train, validate and test."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import InputError, listed
from metaopt.tasks.tables.columns.features import Features
from metaopt.tasks.tables.refusal import refused_file
from metaopt.tasks.tables.rows import TableRows
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.splitting import split_groups, split_times
from metaopt.tasks.tables.target import MIN_CLASS_ROWS, Target, class_names

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class CheckedTable:
    """A checked table.

    Attributes:
        features: its feature columns.
        target: its target.
        target_name: the column that it is.
        rows: which rows of the file it has, from 0.
        groups: the group of each row, where rows are divided by one; shape (rows,).
        times: the moment of each row, where they are divided by time; shape (rows,).
    """

    features: Features
    target: Target
    target_name: str
    rows: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    times: NDArray[np.int64] | None = None


def kept_rows(target: "pd.Series[Any]", settings: TableSettings) -> NDArray[np.int64]:
    """The rows that `drop_rows` leaves.

    Args:
        target: the column to predict, as the file has it.
        settings: what `corpus.toml` says.
    """
    kept = np.ones(len(target), dtype=bool)
    if "no_target" in settings.drop_rows:
        kept &= target.notna().to_numpy()
    if "rare_class" in settings.drop_rows and kept.any():
        names = class_names(target[kept])
        classes, codes, counts = np.unique(names, return_inverse=True, return_counts=True)
        if len(classes) < len(names):
            kept[np.flatnonzero(kept)[counts[codes.reshape(-1)] < MIN_CLASS_ROWS]] = False
    return np.flatnonzero(kept)


def divided(table: CheckedTable, name: str, settings: TableSettings, where: str) -> TableRows:
    """The rows of a table, divided by its name, by groups or by time.

    Raises:
        InputError: a class has no training row, or there are too few moments.
    """
    target = table.target
    if table.groups is not None:
        own = split_groups(table.groups, name, settings.validation, settings.test)
    elif table.times is not None:
        in_order = split_times(table.times, name, settings.validation, settings.test)
        if in_order is None:
            raise refused_file(f"{where} has fewer than three moments to divide rows by; remove time from corpus.toml.")
        own = in_order
    else:
        return TableRows.of(table.features, target, name, settings)
    if target.kind == "classification":
        absent = set(range(target.num_outputs)) - set(target.values[own[0]].tolist())
        if absent:
            names = listed([target.names[label] for label in sorted(absent)])
            raise InputError(
                f"{where} has no training row of class {names} once rows are divided by "
                f"{settings.group or settings.time}; name another column, or leave such rows out."
            )
    return TableRows.divided(table.features, target, name, own)
