"""A table's rows as inputs and targets, in the table's own division or in one drawn by a seed."""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.contracts import Split, Splits
from metaopt.tasks.tables.columns.features import Features, preprocessor, refitted
from metaopt.tasks.tables.columns.many_values import by_others
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
        return cls.divided(
            features, target, name, split_rows(classes_of(target), name, settings.validation, settings.test)
        )

    @classmethod
    def divided(cls, features: Features, target: Target, name: str, own: Rows) -> "TableRows":
        """The rows of a table in a division of its own."""
        unfitted = preprocessor(features, target.num_outputs)
        with without_fold_warnings():
            settled = unfitted.fit(features.frame.iloc[own[0]], _standardised(target, own[0])[own[0]])
        return cls(features, target, name, own, settled)

    def splits(self) -> Splits:
        """The table's own division; everything that is fitted is fitted on training rows.

        Returns:
            Splits with inputs of shape (n, num_inputs), float32, and targets of shape (n,), int64, for classification
            or (n, 1), float32, for regression.
        """
        return self._splits(self.own, self.settled)

    def __call__(self, seed: int, *, test: bool) -> Splits:
        """The splits of a seed; see `metaopt.contracts.tasks.draws.Redraw`."""
        rows = redrawn_rows(classes_of(self.target), self.own, self.name, seed, test=test)
        with without_fold_warnings():
            known = _standardised(self.target, rows[0])[rows[0]]
            transformer = refitted(self.settled, self.features, rows[0], known)
        return self._splits(rows, transformer)

    def _splits(self, rows: Rows, transformer: Any) -> Splits:
        targets = _targets(self.target, rows[0])
        inputs = [_inputs(transformer, self.features, part) for part in rows]
        if self.features.encoded:
            inputs[0] = self._without_their_own_targets(rows[0], transformer, inputs[0])
        return Splits(*(Split(each, targets[part]) for each, part in zip(inputs, rows, strict=True)))

    def _without_their_own_targets(self, rows: NDArray[np.int64], transformer: Any, inputs: Tensor) -> Tensor:
        """Inputs of training rows, where the mean targets of many values are those of other training rows."""
        frame, known = self.features.frame.iloc[rows], _standardised(self.target, rows)[rows]
        encoder = transformer.named_transformers_["encoded"]
        others = by_others(encoder, frame[list(self.features.encoded)], known)
        place = transformer.output_indices_["encoded"]
        inputs = inputs.clone()
        inputs[:, place] = torch.from_numpy(np.ascontiguousarray(others, dtype=np.float32))
        return inputs


@contextlib.contextmanager
def without_fold_warnings() -> Iterator[None]:
    """Inside, scikit-learn does not warn that a rare class is not in all folds, which is as well as can be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        yield


def classes_of(target: Target) -> NDArray[np.int64]:
    """The class of each row; regression has one."""
    return target.values if target.kind == "classification" else np.zeros(len(target.values), dtype=np.int64)


def _inputs(transformer: Any, features: Features, rows: NDArray[np.int64]) -> Tensor:
    transformed = transformer.transform(features.frame.iloc[rows])
    return torch.from_numpy(np.ascontiguousarray(transformed, dtype=np.float32))


def _targets(target: Target, training: NDArray[np.int64]) -> Tensor:
    values = torch.from_numpy(_standardised(target, training))
    return values if target.kind == "classification" else values[:, None].to(torch.float32)


def _standardised(target: Target, training: NDArray[np.int64]) -> NDArray[Any]:
    """Classes as they are; numbers in standard deviations of training rows, from their mean."""
    if target.kind == "classification":
        return target.values
    known = target.values[training]
    standardised: NDArray[Any] = (target.values - known.mean()) / (known.std() or 1.0)
    return standardised
