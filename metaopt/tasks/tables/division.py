"""Which rows of a table there are, and which train, validate and test."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import InputError, listed
from metaopt.tasks.tables.columns.conversion import Converted, How, convert
from metaopt.tasks.tables.columns.features import Features
from metaopt.tasks.tables.refusal import Refusal, refused_file
from metaopt.tasks.tables.rows import TableRows, classes_of
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.splitting import Rows, split_groups, split_rows, split_times
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
    own = own_division(table.target, table.groups, table.times, name, settings, where)
    return TableRows.divided(table.features, table.target, name, own)


def own_division(
    target: Target,
    groups: NDArray[np.int64] | None,
    times: NDArray[np.int64] | None,
    name: str,
    settings: TableSettings,
    where: str,
) -> Rows:
    """Which rows train, validate and test, in the table's own division.

    Args:
        target: its target.
        groups: the group of each row, where rows are divided by one; shape (rows,).
        times: the moment of each row, where they are divided by time; shape (rows,).
        name: the table's name.
        settings: what `corpus.toml` says.
        where: the file, for messages.

    Raises:
        InputError: see `divided`.
    """
    if groups is not None:
        own = split_groups(groups, name, settings.validation, settings.test)
    elif times is not None:
        in_order = split_times(times, name, settings.validation, settings.test)
        if in_order is None:
            raise refused_file(f"{where} has fewer than three moments to divide rows by; remove time from corpus.toml.")
        own = in_order
    else:
        return split_rows(classes_of(target), name, settings.validation, settings.test)
    if target.kind == "classification":
        absent = set(range(target.num_outputs)) - set(target.values[own[0]].tolist())
        if absent:
            names = listed([target.names[label] for label in sorted(absent)])
            raise InputError(
                f"{where} has no training row of class {names} once rows are divided by "
                f"{settings.group or settings.time}; name another column, or leave such rows out."
            )
    return own


def groups_of(frame: "pd.DataFrame", settings: TableSettings) -> "NDArray[np.int64] | Refusal | None":
    """The group of each row, 0, 1, …, shape (rows,); None where rows are divided otherwise."""
    if settings.group is None:
        return None
    import pandas as pd

    column = frame[settings.group]
    missing = np.flatnonzero(column.isna())
    codes: NDArray[np.int64] = pd.factorize(column, sort=False)[0].astype(np.int64)
    if len(missing):  # a row without a group is one by itself
        codes[missing] = codes.max() + 1 + np.arange(len(missing))
    if codes.max() < 2:
        return Refusal(
            settings.group,
            f" has {codes.max() + 1} groups",
            "three are needed, to train, validate and test on; name another column as group in corpus.toml",
        )
    return codes


def times_of(frame: "pd.DataFrame", settings: TableSettings, how: How) -> "NDArray[np.int64] | Refusal | None":
    """Numbers in the order of the rows' times, shape (rows,); None where rows are divided otherwise."""
    if settings.time is None:
        return None
    column = frame[settings.time]
    converted = convert(column, how) if column.notna().any() else None
    if isinstance(converted, Refusal):
        return converted
    name = settings.time
    if not isinstance(converted, Converted) or (converted.moments is None and list(converted.parts) != [name]):
        return Refusal(name, " holds neither dates nor numbers", "name another column as time in corpus.toml")
    missing = np.flatnonzero(column.isna())
    if len(missing):
        what = f": row {missing[0] + 1} after the header has no time, by which rows are divided"
        return Refusal(name, what, "fill it in or remove the row")
    if converted.moments is not None:
        return converted.moments.values.astype("datetime64[s]").astype(np.int64)
    return np.unique(converted.parts[name].to_numpy(), return_inverse=True)[1].reshape(-1).astype(np.int64)
