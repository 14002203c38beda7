"""Labelled examples as splits: in the owner's parts, in a division by the task's name, or in one drawn by a seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.contracts import Partition, Split, Splits
from metaopt.tasks.tables.splitting import (
    MAX_TEST_ROWS,
    MAX_VALIDATION_ROWS,
    Rows,
    held_out_rows,
    redrawn_rows,
    split_rows,
)


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Examples as inputs and targets, divided by the task's name or by a seed; see `metaopt.contracts.tasks.draws`.

    Attributes:
        inputs: of all examples, shape (n, …).
        classes: of all examples, 0, 1, …, shape (n,).
        name: the task's name.
        own: rows of its own division.
        has_own_test: whether the test rows are a part that the owner made: they are the same for every seed.
        prepared: makes model inputs of some of `inputs`.
    """

    inputs: Tensor
    classes: NDArray[np.int64]
    name: str
    own: Rows
    has_own_test: bool = False
    prepared: Callable[[Tensor], Tensor] | None = None

    def splits(self) -> Splits:
        """The task's own division: inputs, and targets of shape (n,), int64."""
        return self._splits(self.own)

    def __call__(self, seed: int, *, test: bool) -> Splits:
        """The splits of a seed; see `metaopt.contracts.tasks.draws.Redraw`."""
        test = test and not self.has_own_test
        return self._splits(redrawn_rows(self.classes, self.own, self.name, seed, test=test))

    def _splits(self, rows: Rows) -> Splits:
        return Splits(*map(self._split, rows))

    def _split(self, rows: NDArray[np.int64]) -> Split:
        inputs = self.inputs[torch.from_numpy(rows)]
        prepared = inputs if self.prepared is None else self.prepared(inputs)
        return Split(prepared, torch.from_numpy(self.classes[rows]))


def own_rows(
    classes: NDArray[np.int64],
    parts: NDArray[Any],
    name: str,
    validation: float | None = None,
    test: float | None = None,
) -> Rows:
    """The task's own division: the owner's parts, and what is missing of them drawn from what trains.

    Args:
        classes: see `split_rows`.
        parts: the owner's part of each example, or None; shape (n,).
        name: seeds the shuffling.
        validation: see `split_rows`.
        test: see `split_rows`.
    """
    if not any(parts):
        return split_rows(classes, name, validation, test)
    rows: Mapping[Partition, NDArray[np.int64]] = {
        part: np.flatnonzero(parts == part) for part in ("train", "validation", "test")
    }
    train, validating, testing = rows.values()
    if not len(testing):
        train, testing = held_out_rows(classes, train, name, test, MAX_TEST_ROWS)
    if not len(validating):
        train, validating = held_out_rows(classes, train, name, validation, MAX_VALIDATION_ROWS)
    return train, validating, testing


def needed(parts: NDArray[Any]) -> int:
    """How many examples of each class there must be to train with; see `own_rows`."""
    if not any(parts):
        return 3
    return 3 - sum(part in parts for part in ("validation", "test"))
