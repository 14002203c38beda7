"""The target between its own unit and what models are trained on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.tasks.tables.division import CheckedTable
from metaopt.tasks.tables.settings import TableKind


@dataclass(frozen=True)
class TargetScale:
    """What a target is, and the mean and standard deviation of training rows that numbers are measured from and in.

    Attributes:
        name: the column.
        kind: classification or regression.
        classes: their names in the order of their codes; none for regression.
        mean: of training rows; 0 for classification.
        deviation: their standard deviation; 1 for classification, and where it is 0.
    """

    name: str
    kind: TableKind
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, table: CheckedTable, rows: NDArray[np.int64]) -> "TargetScale":
        """The scale of some rows of a table."""
        target = table.target
        if target.kind == "classification":
            return cls(table.target_name, target.kind, target.names)
        known = target.values[rows]
        return cls(table.target_name, target.kind, (), float(known.mean()), float(known.std()) or 1.0)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "TargetScale":
        """What `to_json` wrote; KeyError or TypeError where it did not."""
        return cls(**{**document, "classes": tuple(document["classes"])})

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @property
    def num_outputs(self) -> int:
        """How many numbers a model gives a row."""
        return len(self.classes) if self.kind == "classification" else 1

    def encoded(self, values: NDArray[Any]) -> NDArray[Any]:
        """Class codes as they are; numbers in standard deviations from the mean."""
        if self.kind == "classification":
            return values
        scaled: NDArray[Any] = (values - self.mean) / self.deviation
        return scaled

    def targets(self, values: NDArray[Any]) -> Tensor:
        """What losses take: shape (n,), int64, for classification or (n, 1), float32, for regression."""
        encoded = torch.from_numpy(np.ascontiguousarray(self.encoded(values)))
        return encoded if self.kind == "classification" else encoded[:, None].to(torch.float32)

    def numbers(self, output: Tensor) -> NDArray[np.float64]:
        """A regression's outputs, shape (n, 1), in the target's unit; shape (n,)."""
        values: NDArray[np.float64] = output[:, 0].double().numpy() * self.deviation + self.mean
        return values

    def probabilities(self, output: Tensor) -> NDArray[np.float64]:
        """A classification's outputs as shares that sum to 1, shape (n, classes)."""
        values: NDArray[np.float64] = output.double().softmax(-1).numpy()
        return values
