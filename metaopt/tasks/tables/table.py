"""A data frame as a task: checked, split, preprocessed on training rows, with a model and a loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metaopt.contracts import Split, Task
from metaopt.errors import InputError, listed, named_line, quoted
from metaopt.tasks.module_attribute import load_attribute
from metaopt.tasks.tables.features import Features, check_features
from metaopt.tasks.tables.mlp import mlp
from metaopt.tasks.tables.refusal import Refusal, refused
from metaopt.tasks.tables.rows import TableRows
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.target import Target, check_target

if TYPE_CHECKING:
    import pandas as pd

ModelFactory = Callable[[int, int], nn.Module]


@dataclass(frozen=True, eq=False)
class CheckedTable:
    """A checked table.

    Attributes:
        features: its feature columns.
        target: its target.
    """

    features: Features
    target: Target


def task_from_frame(frame: "pd.DataFrame", name: str, settings: TableSettings, where: str) -> Task:
    """A supervised task from a table whose last column is the target.

    Classification trains and measures cross-entropy, regression the mean squared error of the target in units of its
    standard deviation over training rows; both are better when lower. All rows are kept, as float32: rows × inputs × 4
    bytes.

    Args:
        frame: the table, features first, target last.
        name: the task's name; it seeds the split.
        settings: what `corpus.toml` says.
        where: the file, for messages.

    Raises:
        InputError: the table cannot be used; names the column, the row and the value.
    """
    table = check_table(frame, settings, where)
    rows = TableRows.of(table.features, table.target, name, settings)
    splits = rows.splits()
    num_inputs = splits.train.inputs.shape[1]
    factory = mlp if settings.model is None else _load_model(settings.model, splits.train, table.target, where)
    is_classification = table.target.kind == "classification"
    return Task(
        name=name,
        family=settings.family or f"tabular_{table.target.kind}",
        model=partial(factory, num_inputs, table.target.num_outputs),
        data=splits,
        loss=F.cross_entropy if is_classification else F.mse_loss,
        batch_size=min(settings.batch_size, len(splits.train)),
        num_steps=settings.num_steps,
        num_validations=settings.num_validations,
        widened=partial(mlp, num_inputs, table.target.num_outputs) if settings.model is None else None,
        redraw=rows,
    )


def check_table(frame: "pd.DataFrame", settings: TableSettings, where: str) -> CheckedTable:
    """Features and target of a table; see `check_features` and `check_target` for what is refused.

    Raises:
        InputError: columns are refused, all of them in one message; or the settings name what is not there.
    """
    columns = [str(name) for name in frame.columns]
    _check_named(settings.drop, columns[:-1], "drop", where)
    _check_named(settings.categories, columns[:-1], "categories", where)
    feature_names = [name for name in columns[:-1] if name not in settings.drop]
    if not feature_names:
        raise InputError(f"{where} has no feature left; drop fewer columns.")
    target = check_target(frame[columns[-1]], settings.task)
    features, refusals = check_features(frame[feature_names], settings.categories)
    if isinstance(target, Refusal):
        raise refused(where, [target, *refusals])
    if refusals:
        raise refused(where, refusals)
    return CheckedTable(features, target)


def _check_named(names: Sequence[str], columns: Sequence[str], key: str, where: str) -> None:
    for name in names:
        if name not in columns:
            raise InputError(
                f"{where} has no feature {quoted(name)}, which {key} in corpus.toml lists; it has {listed(columns)}."
            )


def _load_model(reference: str, train: Split, target: Target, where: str) -> ModelFactory:
    """The user's factory, once it has made a model that turns two rows into outputs of the right shape."""
    factory: ModelFactory = load_attribute(reference)
    shape = (2, target.num_outputs)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            output = factory(train.inputs.shape[1], target.num_outputs)(train.inputs[:2])
    except Exception as error:  # a stranger's model: its fault, by name
        raise InputError(
            f"{where}: model {quoted(reference)} raised {named_line(error)}; it is called with "
            f"(num_inputs, num_outputs) = ({train.inputs.shape[1]}, {target.num_outputs})."
        ) from error
    if not isinstance(output, Tensor) or tuple(output.shape) != shape:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise InputError(
            f"{where}: model {quoted(reference)} must turn two rows into a tensor of shape {shape}, got {got}."
        )
    return factory
