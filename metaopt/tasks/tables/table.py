"""A data frame as a task: checked, split, preprocessed on training rows, with a model and a loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from metaopt.contracts import Split, Splits, Task
from metaopt.errors import InputError, did_you_mean, listed, quoted
from metaopt.tasks.module_attribute import load_attribute
from metaopt.tasks.named_model import named_model
from metaopt.tasks.tables.columns.conversion import How, decimal_in
from metaopt.tasks.tables.columns.features import check_features, one_hot_places
from metaopt.tasks.tables.division import CheckedTable, divided, groups_of, kept_rows, times_of
from metaopt.tasks.tables.image_table import ImageTask, check_images, image_columns, image_task
from metaopt.tasks.tables.leaks import leaks
from metaopt.tasks.tables.losses import loss_of
from metaopt.tasks.tables.metrics import metric_of
from metaopt.tasks.tables.mlp import Place, embedding_mlp, mlp
from metaopt.tasks.tables.refusal import Refusal, refused
from metaopt.tasks.tables.rows import TableRows
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.splitting import Rows
from metaopt.tasks.tables.target import Target, check_target
from metaopt.tasks.tables.text_table import TextTask, check_texts, text_columns, text_task

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class TableSplits(Splits):
    """The splits of a table, which remember it: `metaopt.fit` divides and prepares its rows anew.

    Attributes:
        table: the table.
        own: which of its rows train, validate and test.
        settings: what `corpus.toml` says.
        where: its file.
    """

    table: CheckedTable
    own: Rows
    settings: TableSettings
    where: str

    @classmethod
    def undone(cls, table: CheckedTable, own: Rows, settings: TableSettings, where: str) -> "TableSplits":
        """A division whose rows nobody has made tensors of: `metaopt.fit` makes its own."""
        one = Split(torch.zeros(1), torch.zeros(1))
        return cls(one, one, one, table, own, settings, where)


def task_from_frame(
    frame: "pd.DataFrame",
    name: str,
    settings: TableSettings,
    where: str,
    ticked: tuple[str, ...] = (),
    warn: Callable[[str], None] | None = None,
) -> Task:
    """A supervised task from a table whose last column is the target, if the settings name no other.

    Classification trains cross-entropy, regression the mean squared error of the target in units of its standard
    deviation over training rows; they are measured too, if the settings name no metric. All rows are kept, as float32:
    rows × inputs × 4 bytes.

    Args:
        frame: the table.
        name: the task's name; it seeds the split.
        settings: what `corpus.toml` says.
        where: the file, for messages; images that it names are looked for in its folder.
        ticked: columns in which a blank says no.
        warn: called with one line for each thing that makes the table's scores flatter; None to look for none.

    Raises:
        InputError: the table cannot be used; names the column, the row and the value.
    """
    made = _of_images(frame, name, settings, where) or _of_texts(frame, name, settings, where)
    if made is not None:
        if warn is not None:
            for sentence in made.leaks():
                warn(f"warning: {where}: {sentence}")
        return made.task
    table = check_table(frame, settings, where, ticked)
    rows = divided(table, name, settings, where)
    if warn is not None:
        for sentence in leaks(frame, table, rows):
            warn(f"warning: {where}: {sentence}")
    return task_of(table, rows, name, settings, where)


def _of_images(frame: "pd.DataFrame", name: str, settings: TableSettings, where: str) -> ImageTask | None:
    columns = image_columns(frame, settings, where)
    if columns is None:
        return None
    return image_task(check_images(frame, columns, settings, where), name, settings, where)


def _of_texts(frame: "pd.DataFrame", name: str, settings: TableSettings, where: str) -> TextTask | None:
    columns = text_columns(frame, settings, where)
    if columns is None:
        return None
    return text_task(check_texts(frame, columns, settings, where), name, settings, where)


def task_of(table: CheckedTable, rows: TableRows, name: str, settings: TableSettings, where: str) -> Task:
    """The task of a checked table in a division; see `task_from_frame`."""
    parts = rows.splits()
    splits = TableSplits(parts.train, parts.validation, parts.test, table, rows.own, settings, where)
    num_inputs = splits.train.inputs.shape[1]
    factory = model_factory(settings, one_hot_places(rows.settled, table.features))
    if settings.model is not None:
        sizes = (num_inputs, table.target.num_outputs)
        named_model(settings.model, sizes, "(num_inputs, num_outputs)", splits.train.inputs[:2], sizes[1], where)
    metric = metric_of(settings.metric, table.target.kind, where)
    is_fixed = table.groups is not None or table.times is not None
    return Task(
        name=name,
        family=settings.family or f"tabular_{table.target.kind}",
        model=partial(factory, num_inputs, table.target.num_outputs),
        data=splits,
        loss=loss_of(table, rows.own[0], settings, where),
        metric=None if metric is None else metric.function,
        mode="min" if metric is None else metric.mode,
        batch_size=min(settings.batch_size, len(splits.train)),
        num_steps=settings.num_steps,
        num_validations=settings.num_validations,
        widened=partial(factory, num_inputs, table.target.num_outputs) if settings.model is None else None,
        redraw=None if is_fixed else rows,
    )


def model_factory(settings: TableSettings, places: Sequence[Place] = ()) -> Callable[..., nn.Module]:
    """What makes the model of a table, called with (num_inputs, num_outputs): the user's, or metaopt's.

    Args:
        settings: what `corpus.toml` says.
        places: of the categories among the inputs.

    Raises:
        InputError: the user's cannot be imported.
    """
    if settings.model is None:
        return partial(embedding_mlp, tuple(places)) if settings.embeddings and places else mlp
    factory: Callable[..., nn.Module] = load_attribute(settings.model)
    return factory


def check_table(
    frame: "pd.DataFrame", settings: TableSettings, where: str, ticked: tuple[str, ...] = ()
) -> CheckedTable:
    """Features and target of a table; see `check_features` and `check_target` for what is refused.

    Raises:
        InputError: columns are refused, all of them in one message; or the settings name what is not there.
    """
    columns = [str(name) for name in frame.columns]
    target_name = target_name_of(columns, settings, where)
    others = [name for name in columns if name != target_name]
    for key in ("drop", "categories", "hash", "dates"):
        check_named(tuple(getattr(settings, key)), others, key, where)
    for key in ("group", "time"):
        named = getattr(settings, key)
        check_named(() if named is None else (named,), others, key, where)
    feature_names = [name for name in others if name not in settings.drop and name != settings.group]
    if not feature_names:
        raise InputError(f"{where} has no feature left; drop fewer columns.")
    rows = kept_rows(frame[target_name], settings)
    if len(rows) < len(frame):
        frame = frame.iloc[rows].reset_index(drop=True)
    how = How(settings, decimal_in(frame[[*feature_names, target_name]], settings), ticked)
    target = check_target(frame[target_name], settings.task, how)
    features, refusals = check_features(frame[feature_names], settings.categories, how)
    if isinstance(target, Refusal):
        refusals = [target, *refusals]
    groups = groups_of(frame, settings)
    times = times_of(frame, settings, how)
    refusals.extend(part for part in (groups, times) if isinstance(part, Refusal) and part not in refusals)
    if refusals:
        raise refused(where, refusals)
    assert isinstance(target, Target)
    assert not isinstance(groups, Refusal)
    assert not isinstance(times, Refusal)
    return CheckedTable(features, target, target_name, rows, groups, times)


def target_name_of(columns: Sequence[str], settings: TableSettings, where: str) -> str:
    """The column to predict: the one that the settings name, or the last.

    Raises:
        InputError: there is no such column.
    """
    if settings.target is None:
        return columns[-1]
    if settings.target not in columns:
        hint = did_you_mean(settings.target, columns, " ({})")
        raise InputError(
            f"{where} has no column {quoted(settings.target)}{hint}, which target in corpus.toml names; it has "
            f"{listed(columns)}."
        )
    return settings.target


def check_named(names: Sequence[str], columns: Sequence[str], key: str, where: str) -> None:
    """Refuse names of columns that are not there.

    Raises:
        InputError: the settings name such a column under this key.
    """
    for name in names:
        if name not in columns:
            raise InputError(
                f"{where} has no feature {quoted(name)}, which {key} in corpus.toml lists; it has {listed(columns)}."
            )
