"""A table with a column of text and one of labels as a task: its texts are classified."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.contracts import Task
from metaopt.errors import InputError, did_you_mean, listed, quoted
from metaopt.tasks.labelled.layout import SUFFIXES
from metaopt.tasks.labelled.leaks import labelled_leaks
from metaopt.tasks.labelled.rows import LabelledRows
from metaopt.tasks.labelled.splits import LabelledSource
from metaopt.tasks.labelled.task import classification, vocabulary_of
from metaopt.tasks.tables.columns.cells import clean
from metaopt.tasks.tables.columns.conversion import How, convert, decimal_in
from metaopt.tasks.tables.columns.free_text import differ_mostly, is_prose
from metaopt.tasks.tables.division import groups_of, kept_rows, own_division, times_of
from metaopt.tasks.tables.refusal import Refusal, refused
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.target import Target, check_target
from metaopt.tasks.texts.tokens import Vocabulary

if TYPE_CHECKING:
    import pandas as pd


#: A cell that names an image file, and the share of a column's cells from which it is one of names.
_IMAGE_NAME = re.compile(rf"\S+(?:{'|'.join(map(re.escape, sorted(SUFFIXES['images'])))})", re.IGNORECASE)
_MOST = 0.9


@dataclass(frozen=True)
class TextColumns:
    """Which columns of a table are read.

    Attributes:
        text: the input.
        target: the labels.
    """

    text: str
    target: str


@dataclass(frozen=True, eq=False)
class CheckedTexts:
    """A checked table of texts.

    Attributes:
        texts: of the rows; empty where there is none.
        columns: that they and the labels are in.
        target: the labels.
        rows: which rows of the file it has, from 0.
        groups: the group of each row, where rows are divided by one; shape (rows,).
        times: the moment of each row, where they are divided by time; shape (rows,).
        num_empty: rows without a text.
    """

    texts: list[str]
    columns: TextColumns
    target: Target
    rows: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    times: NDArray[np.int64] | None
    num_empty: int


@dataclass(frozen=True, eq=False)
class TextTask:
    """A table's task, with what it was made from.

    Attributes:
        task: to train on.
        rows: the division of its rows.
        vocabulary: what is read of texts.
        classes: their names.
    """

    task: Task
    rows: LabelledRows
    vocabulary: Vocabulary
    classes: tuple[str, ...]

    def leaks(self) -> list[str]:
        """See `labelled_leaks`."""
        return labelled_leaks(self.rows, self.classes, "rows", self.vocabulary)


def text_columns(frame: "pd.DataFrame", settings: TableSettings, where: str) -> TextColumns | None:
    """The columns of text and of labels, if a table's texts are to be classified; None if it is like any other.

    They are where `text` names the one, and in a table of two columns of which one holds free text that is mostly
    letters.

    Raises:
        InputError: `text` or `target` names what is not there, or both the same.
    """
    names = [str(name) for name in frame.columns]
    for key, named in (("text", settings.text), ("target", settings.target if settings.text else None)):
        if named is not None and named not in names:
            hint = did_you_mean(named, names, " ({})")
            raise InputError(
                f"{where} has no column {quoted(named)}{hint}, which {key} in corpus.toml names; it has "
                f"{listed(names)}."
            )
    others = [name for name in names if name not in (*settings.drop, settings.group, settings.time)]
    if settings.text is not None:
        rest = [name for name in others if name != settings.text]
        target = settings.target or (rest[-1] if rest else settings.text)
        if target == settings.text:
            raise InputError(f"{where} needs a column of labels beside the text {quoted(target)}; name it as target.")
        return TextColumns(settings.text, target)
    if len(others) != 2 or set(others) & {*settings.categories, *settings.hash, *settings.dates}:
        return None
    texts = [name for name in others if name != settings.target and _holds_text(frame[name], settings)]
    if len(texts) != 1 or settings.target not in (None, *others):
        return None
    (text,) = texts
    return TextColumns(text, next(name for name in others if name != text))


def check_texts(frame: "pd.DataFrame", columns: TextColumns, settings: TableSettings, where: str) -> CheckedTexts:
    """Texts and labels of a table.

    Raises:
        InputError: labels, groups or times are refused, all of them in one message.
    """
    rows = kept_rows(frame[columns.target], settings)
    if len(rows) < len(frame):
        frame = frame.iloc[rows].reset_index(drop=True)
    how = How(settings, decimal_in(frame[[columns.target]], settings))
    target = check_target(frame[columns.target], settings.task, how)
    if isinstance(target, Target) and target.kind != "classification":
        target = Refusal(
            columns.target,
            " holds numbers, and texts are classified",
            'write task = "classification" in corpus.toml where these are names of classes',
            settings={"task": "classification"},
        )
    groups, times = groups_of(frame, settings), times_of(frame, settings, how)
    files = _file_names(frame[columns.text]) if settings.text is None else None
    refusals = [part for part in (files, target, groups, times) if isinstance(part, Refusal)]
    if refusals:
        raise refused(where, refusals)
    assert isinstance(target, Target)
    assert not isinstance(groups, Refusal)
    assert not isinstance(times, Refusal)
    column = frame[columns.text]
    texts = ["" if is_gap else clean(str(cell)) for cell, is_gap in zip(column, column.isna(), strict=True)]
    return CheckedTexts(texts, columns, target, rows, groups, times, sum(not text for text in texts))


def text_task(table: CheckedTexts, name: str, settings: TableSettings, where: str) -> TextTask:
    """The task of a checked table of texts.

    Raises:
        InputError: texts have no token in common, or the settings do not fit.
    """
    target = table.target
    own = own_division(target, table.groups, table.times, name, settings, where)
    vocabulary = vocabulary_of(table.texts, own, settings.tokens, settings.vocabulary, settings.length, where)
    rows = LabelledRows(vocabulary.numbers(table.texts), target.values, name, own)
    is_fixed = table.groups is not None or table.times is not None
    columns = table.columns
    source = LabelledSource(
        table.texts, target, columns.target, own, settings, where, is_fixed, column=columns.text, are_lines=True
    )
    task = classification(rows, source, vocabulary, family="text_classification")
    return TextTask(task, rows, vocabulary, target.names)


def _file_names(column: "pd.Series[Any]") -> Refusal | None:
    """A refusal of names of image files, of which nothing can be learned but the names."""
    filled = column.dropna().astype(str)
    if filled.str.strip().str.fullmatch(_IMAGE_NAME).mean() < _MOST:
        return None
    return Refusal(
        str(column.name),
        f" names image files such as {quoted(filled.iloc[0])}, which are not looked into",
        "images are read from folders: put each into one that is named after its class, and name the folder of these",
    )


def _holds_text(column: "pd.Series[Any]", settings: TableSettings) -> bool:
    """Whether a column's cells are neither numbers nor dates nor labels, but texts."""
    filled = column.dropna()
    if column.dtype.kind != "O" or filled.empty:
        return False
    return differ_mostly(filled) and is_prose(filled) and convert(column, How(settings)) is None
