"""Rows to train on: everything fitted to them, their inputs and targets, and a reader of later rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.contracts import Split
from metaopt.tasks.tables.columns.features import Features, preprocessor
from metaopt.tasks.tables.columns.many_values import by_others
from metaopt.tasks.tables.division import CheckedTable
from metaopt.tasks.tables.new_rows.fitted_inputs import FittedInputs
from metaopt.tasks.tables.new_rows.row_reader import RowReader
from metaopt.tasks.tables.new_rows.target_scale import TargetScale
from metaopt.tasks.tables.rows import without_fold_warnings
from metaopt.tasks.tables.settings import TableSettings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class PreparedRows:
    """Rows of a table, ready to be trained on.

    Attributes:
        train: their inputs, shape (n, num_inputs), and targets, as `TableRows.splits` has them.
        reader: turns later rows into such inputs, and outputs into predictions.
    """

    train: Split
    reader: RowReader

    @classmethod
    def of(cls, table: CheckedTable, rows: NDArray[np.int64], settings: TableSettings) -> "PreparedRows":
        """Fit everything to some rows of a table.

        Args:
            table: a checked one.
            rows: of its features and target, from 0, in an order that says nothing.
            settings: what `corpus.toml` says.
        """
        scale = TargetScale.of(table, rows)
        frame = table.features.frame.iloc[rows]
        codes = scale.encoded(table.target.values[rows])
        with without_fold_warnings():
            transformer = preprocessor(table.features, table.target.num_outputs).fit(frame, codes)
        inputs = FittedInputs.of(transformer, table.features)
        reader = RowReader.of(table.features, inputs, scale, settings)
        values = torch.from_numpy(inputs.transform(frame))
        if table.features.encoded:
            values = _without_own_targets(values, transformer, frame, codes, table.features)
        return cls(Split(values, scale.targets(table.target.values[rows])), reader)


def _without_own_targets(
    values: Tensor, transformer: Any, frame: "pd.DataFrame", codes: NDArray[Any], features: Features
) -> Tensor:
    encoder, place = transformer.named_transformers_["encoded"], transformer.output_indices_["encoded"]
    with without_fold_warnings():
        others = by_others(encoder, frame[list(features.encoded)], codes)
    values[:, place] = torch.from_numpy(np.ascontiguousarray(others, dtype=np.float32))
    return values
