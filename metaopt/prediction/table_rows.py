"""Rows of a table, to fit a model to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from metaopt.contracts import Split
from metaopt.prediction.training import Measure
from metaopt.tasks import PreparedRows, RowReader, Rows, TableSplits, Target, loss_of


@dataclass(frozen=True)
class TableRows:
    """See `Trainable`.

    Attributes:
        splits: the table, and which of its rows do what.
        factory: makes the model, called with (num_inputs, num_outputs); what the settings name if left out.
    """

    splits: TableSplits
    factory: Callable[[int, int], nn.Module] | None = None

    @property
    def where(self) -> str:
        """The file."""
        return self.splits.where

    @property
    def own(self) -> Rows:
        """Rows of each part."""
        return self.splits.own

    @property
    def target(self) -> Target:
        """Of all rows."""
        return self.splits.table.target

    @property
    def metric(self) -> str | None:
        """By name."""
        return self.splits.settings.metric

    @property
    def is_fixed(self) -> bool:
        """Groups and times have one division."""
        return self.splits.table.groups is not None or self.splits.table.times is not None

    @property
    def is_known(self) -> bool:
        """A function has no name to find it by."""
        return self.factory is None

    def prepared(self, rows: NDArray[np.int64]) -> tuple[Split, RowReader]:
        """Rows to train on, and the reader that was fitted to them."""
        prepared = PreparedRows.of(self.splits.table, rows, self.splits.settings)
        return prepared.train, prepared.reader

    def split(self, reader: RowReader, rows: NDArray[np.int64]) -> Split:
        """Other rows, by what the reader was fitted to."""
        return reader.split(self.splits.table, rows)

    def model(self, reader: RowReader) -> nn.Module:
        """An untrained model."""
        if self.factory is None:
            return reader.fresh_model()
        return self.factory(reader.inputs.width, self.target.num_outputs)

    def loss(self, rows: NDArray[np.int64]) -> Measure:
        """What training on these rows makes small."""
        return loss_of(self.splits.table, rows, self.splits.settings, self.where)

    def augmented(self, inputs: Tensor, seed: int, step: int) -> Tensor:
        """Rows are trained on as they are."""
        return inputs
