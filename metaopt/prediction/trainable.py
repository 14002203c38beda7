"""What a model can be fitted to: rows of a table, or images or texts, divided into parts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from metaopt.contracts import Split
from metaopt.prediction.training import Measure
from metaopt.tasks import NewRows, Rows, Target, TargetScale

if TYPE_CHECKING:
    import pandas as pd


class Reader(Protocol):
    """Turns what comes after training into inputs, by what was settled and fitted on training rows."""

    @property
    def target(self) -> TargetScale:
        """What is predicted."""

    @property
    def unit(self) -> str:
        """What rows are called."""

    @property
    def model_name(self) -> str | None:
        """The user's `"package.module:factory"`, or None for metaopt's own model."""

    def read(self, source: "str | Path | pd.DataFrame") -> NewRows:
        """Rows, images or texts of a file, a folder or a data frame; InputError if it cannot be read."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""

    def fresh_model(self) -> nn.Module:
        """An untrained model."""


class Trainable(Protocol):
    """Rows with targets, in parts."""

    @property
    def where(self) -> str:
        """The file or folder."""

    @property
    def own(self) -> Rows:
        """Rows that train, validate and test; of the last two there may be none."""

    @property
    def target(self) -> Target:
        """Of all rows."""

    @property
    def metric(self) -> str | None:
        """What is validated, by name; None for the loss."""

    @property
    def is_fixed(self) -> bool:
        """Whether no other division may be drawn."""

    @property
    def is_known(self) -> bool:
        """Whether the model can be made again by what a reader says."""

    def prepared(self, rows: NDArray[np.int64]) -> tuple[Split, Any]:
        """Rows to train on, and the reader that was fitted to them."""

    def split(self, reader: Any, rows: NDArray[np.int64]) -> Split:
        """Other rows, by what a reader of `prepared` was fitted to."""

    def model(self, reader: Any) -> nn.Module:
        """An untrained model."""

    def loss(self, rows: NDArray[np.int64]) -> Measure:
        """What training on these rows makes small."""

    def augmented(self, inputs: Tensor, seed: int, step: int) -> Tensor:
        """A training batch as it is changed at a step, from 0."""
