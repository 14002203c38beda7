"""A table with a column of text and one of labels as a task: its texts are classified."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metaopt.contracts import Task
from metaopt.tasks.labelled.leaks import labelled_leaks
from metaopt.tasks.labelled.rows import LabelledRows
from metaopt.tasks.labelled.splits import LabelledSource
from metaopt.tasks.labelled.task import classification, vocabulary_of
from metaopt.tasks.tables.columns.cells import clean
from metaopt.tasks.tables.columns.conversion import How, convert
from metaopt.tasks.tables.columns.free_text import differ_mostly, is_prose
from metaopt.tasks.tables.division import own_division
from metaopt.tasks.tables.example_labels import (
    CheckedLabels,
    InputColumns,
    check_labels,
    named_columns,
    usable_columns,
)
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.texts.tokens import Vocabulary

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class CheckedTexts:
    """A checked table of texts.

    Attributes:
        texts: of the rows; empty where there is none.
        columns: that they and the labels are in.
        labels: of the rows.
        num_empty: rows without a text.
    """

    texts: list[str]
    columns: InputColumns
    labels: CheckedLabels
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


def text_columns(frame: "pd.DataFrame", settings: TableSettings, where: str) -> InputColumns | None:
    """The columns of text and of labels, if a table's texts are to be classified; None if it is like any other.

    They are where `text` names the one, and in a table of two columns of which one holds free text that is mostly
    letters.

    Raises:
        InputError: `text` or `target` names what is not there, or both the same.
    """
    named = named_columns(frame, "text", settings.text, settings, where)
    if named is not None:
        return named
    others = usable_columns(frame, settings)
    if len(others) != 2 or set(others) & {*settings.categories, *settings.hash, *settings.dates}:
        return None
    texts = [name for name in others if name != settings.target and _holds_text(frame[name], settings)]
    if len(texts) != 1 or settings.target not in (None, *others):
        return None
    (text,) = texts
    return InputColumns(text, next(name for name in others if name != text))


def check_texts(frame: "pd.DataFrame", columns: InputColumns, settings: TableSettings, where: str) -> CheckedTexts:
    """Texts and labels of a table.

    Raises:
        InputError: labels, groups or times are refused, all of them in one message.
    """
    labels = check_labels(frame, columns.target, "texts", settings, where)
    column = frame[columns.input].iloc[labels.rows]
    texts = ["" if is_gap else clean(str(cell)) for cell, is_gap in zip(column, column.isna(), strict=True)]
    return CheckedTexts(texts, columns, labels, sum(not text for text in texts))


def text_task(table: CheckedTexts, name: str, settings: TableSettings, where: str) -> TextTask:
    """The task of a checked table of texts.

    Raises:
        InputError: texts have no token in common, or the settings do not fit.
    """
    labels, columns = table.labels, table.columns
    target = labels.target
    own = own_division(target, labels.groups, labels.times, name, settings, where)
    vocabulary = vocabulary_of(table.texts, own, settings.tokens, settings.vocabulary, settings.length, where)
    rows = LabelledRows(vocabulary.numbers(table.texts), target.values, name, own)
    source = LabelledSource(
        table.texts, target, columns.target, own, settings, where, labels.is_fixed, None, columns.input, are_lines=True
    )
    task = classification(rows, source, vocabulary, family="text_classification")
    return TextTask(task, rows, vocabulary, target.names)


def _holds_text(column: "pd.Series[Any]", settings: TableSettings) -> bool:
    """Whether a column's cells are neither numbers nor dates nor labels, but texts."""
    filled = column.dropna()
    if column.dtype.kind != "O" or filled.empty:
        return False
    return differ_mostly(filled) and is_prose(filled) and convert(column, How(settings)) is None
