"""A table's rows as inputs and targets, in the table's own division or in one drawn by a seed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.contracts import Split, Splits
from metaopt.tasks.tables.features import Features, preprocessor, refitted
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.splitting import Rows, redrawn_rows, split_rows
from metaopt.tasks.tables.target import Target


@dataclass(frozen=True, eq=False)
class TableRows:
    """A table's rows as inputs and targets, divided by its name or by a seed; see `metaopt.contracts.tasks.draws`.

    What the columns become is settled by the training rows of the table's own division: which categories there are,
    and so how many inputs. Means, scales and fills are those of each division's own training rows.

    Attributes:
        features: its feature columns.
        target: its target.
        name: the table's name.
        own: rows of its own division.
        settled: a transformer fitted to the training rows of that division.
    """

    features: Features
    target: Target
    name: str
    own: Rows
    settled: Any

    @classmethod
    def of(cls, features: Features, target: Target, name: str, settings: TableSettings) -> "TableRows":
        """The rows of a table, divided by its name."""
        own = split_rows(_classes(target), name, settings.validation, settings.test)
        return cls(features, target, name, own, preprocessor(features).fit(features.frame.iloc[own[0]]))

    def splits(self) -> Splits:
        """The table's own division; everything that is fitted is fitted on training rows.

        Returns:
            Splits with inputs of shape (n, num_inputs), float32, and targets of shape (n,), int64, for classification
            or (n, 1), float32, for regression.
        """
        return self._splits(self.own, self.settled)

    def __call__(self, seed: int, *, test: bool) -> Splits:
        """The splits of a seed; see `metaopt.contracts.tasks.draws.Redraw`."""
        rows = redrawn_rows(_classes(self.target), self.own, self.name, seed, test=test)
        return self._splits(rows, refitted(self.settled, self.features, rows[0]))

    def _splits(self, rows: Rows, transformer: Any) -> Splits:
        targets = _targets(self.target, rows[0])
        return Splits(*(Split(_inputs(transformer, self.features, part), targets[part]) for part in rows))


def _classes(target: Target) -> NDArray[np.int64]:
    """The class of each row; regression has one."""
    return target.values if target.kind == "classification" else np.zeros(len(target.values), dtype=np.int64)


def _inputs(transformer: Any, features: Features, rows: NDArray[np.int64]) -> Tensor:
    transformed = transformer.transform(features.frame.iloc[rows])
    return torch.from_numpy(np.ascontiguousarray(transformed, dtype=np.float32))


def _targets(target: Target, training: NDArray[np.int64]) -> Tensor:
    if target.kind == "classification":
        return torch.from_numpy(target.values)
    known = target.values[training]
    standardised = (target.values - known.mean()) / (known.std() or 1.0)
    return torch.from_numpy(standardised[:, None].astype(np.float32))
