"""The labels of a table whose input is one column, of texts or of image files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import InputError, did_you_mean, listed, quoted
from metaopt.tasks.tables.columns.conversion import How, decimal_in
from metaopt.tasks.tables.division import groups_of, kept_rows, times_of
from metaopt.tasks.tables.refusal import Refusal, refused
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.target import Target, check_target

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class InputColumns:
    """Which columns of a table are read.

    Attributes:
        input: of texts or of image files.
        target: the labels.
    """

    input: str
    target: str


@dataclass(frozen=True, eq=False)
class CheckedLabels:
    """Checked labels.

    Attributes:
        target: the labels.
        rows: which rows they are of, from 0.
        groups: the group of each row, where rows are divided by one; shape (rows,).
        times: the moment of each row, where they are divided by time; shape (rows,).
    """

    target: Target
    rows: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    times: NDArray[np.int64] | None

    @property
    def is_fixed(self) -> bool:
        """Whether no other division is drawn."""
        return self.groups is not None or self.times is not None


def named_columns(
    frame: "pd.DataFrame", key: str, named: str | None, settings: TableSettings, where: str
) -> InputColumns | None:
    """The columns where the settings name the one that is the input; None where they do not.

    Args:
        frame: the table.
        key: of `corpus.toml`, which names it.
        named: what it says.
        settings: what `corpus.toml` says.
        where: the file, for messages.

    Raises:
        InputError: it, or `target`, names what is not there, or both the same.
    """
    if named is None:
        return None
    names = [str(name) for name in frame.columns]
    for said, column in ((key, named), ("target", settings.target)):
        if column is not None and column not in names:
            hint = did_you_mean(column, names, " ({})")
            raise InputError(
                f"{where} has no column {quoted(column)}{hint}, which {said} in corpus.toml names; it has "
                f"{listed(names)}."
            )
    rest = [name for name in usable_columns(frame, settings) if name != named]
    target = settings.target or (rest[-1] if rest else named)
    if target == named:
        raise InputError(f"{where} needs a column of labels beside the {key} {quoted(target)}; name it as target.")
    return InputColumns(named, target)


def usable_columns(frame: "pd.DataFrame", settings: TableSettings) -> list[str]:
    """Columns that are not dropped and divide no rows."""
    return [name for name in map(str, frame.columns) if name not in (*settings.drop, settings.group, settings.time)]


def check_labels(
    frame: "pd.DataFrame", target_name: str, what: str, settings: TableSettings, where: str
) -> CheckedLabels:
    """The labels of a table.

    Args:
        frame: the table.
        target_name: the column that they are in.
        what: is classified.
        settings: what `corpus.toml` says.
        where: the file, for messages.

    Raises:
        InputError: labels, groups or times are refused, all of them in one message.
    """
    rows = kept_rows(frame[target_name], settings)
    if len(rows) < len(frame):
        frame = frame.iloc[rows].reset_index(drop=True)
    how = How(settings, decimal_in(frame[[target_name]], settings))
    target = check_target(frame[target_name], settings.task, how)
    if isinstance(target, Target) and target.kind != "classification":
        target = Refusal(
            target_name,
            f" holds numbers, and {what} are classified",
            'write task = "classification" in corpus.toml where these are names of classes',
            settings={"task": "classification"},
        )
    groups, times = groups_of(frame, settings), times_of(frame, settings, how)
    refusals: Sequence[Refusal] = [part for part in (target, groups, times) if isinstance(part, Refusal)]
    if refusals:
        raise refused(where, refusals)
    assert isinstance(target, Target)
    assert not isinstance(groups, Refusal)
    assert not isinstance(times, Refusal)
    return CheckedLabels(target, rows, groups, times)
