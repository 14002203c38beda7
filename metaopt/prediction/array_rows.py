"""Arrays and data frames, as scikit-learn's interface gives them, as the tables that files become."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.errors import InputError, listed
from metaopt.prediction.fitting import Budget
from metaopt.tasks import (
    MAX_VALIDATION_ROWS,
    CheckedTable,
    Features,
    How,
    RowReader,
    TableSettings,
    TableSplits,
    Target,
    check_features,
    decimal_in,
    refused,
    typed_frame,
)

if TYPE_CHECKING:
    import pandas as pd

#: Passes over the rows that are planned unless somebody says otherwise, and the fewest and most steps of a plan.
PASSES, LEAST_STEPS, MOST_STEPS = 40, 1_000, 4_000

#: What is called the file in messages.
_WHERE = "X"


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows with targets.

    Attributes:
        table: as a file's.
    """

    table: CheckedTable

    @classmethod
    def of(cls, X: Any, y: NDArray[Any], classes: tuple[str, ...], settings: TableSettings) -> "ArrayRows":
        """Check rows.

        Args:
            X: a data frame, or an array of numbers, shape (n, features).
            y: codes of classes, or numbers, shape (n,).
            classes: their names; none for regression.
            settings: which columns to drop, and which are categories.

        Raises:
            InputError: columns of a data frame cannot be used.
        """
        features = _frame_features(X, settings) if hasattr(X, "iloc") else _array_features(X)
        kind = "classification" if classes else "regression"
        target = Target(kind, y.astype(np.int64) if classes else y, len(classes) or 1, classes)  # type: ignore[arg-type]
        return cls(CheckedTable(features, target, "y", np.arange(len(y))))

    def splits(self, settings: TableSettings, validation: float, seed: int) -> TableSplits:
        """The rows divided into those that train and those that validate; none test.

        Args:
            settings: see `of`.
            validation: the share that validates.
            seed: of the division.
        """
        target = self.table.target
        classes = target.values if target.kind == "classification" else np.zeros(len(target.values), dtype=np.int64)
        share = min(validation, MAX_VALIDATION_ROWS / len(classes))
        generator = np.random.default_rng(seed)
        parts: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
        for label in np.unique(classes):
            rows = generator.permutation(np.flatnonzero(classes == label))
            count = min(round(share * len(rows)), len(rows) - 1)
            parts[0].append(rows[count:])
            parts[1].append(rows[:count])
        train, held_out = (generator.permutation(np.concatenate(part)) for part in parts)
        none = np.zeros(0, dtype=np.int64)
        return TableSplits.undone(self.table, (train, held_out, none), settings, _WHERE)

    @staticmethod
    def inputs_of(X: Any, reader: RowReader) -> Tensor:
        """Later rows as inputs."""
        if hasattr(X, "iloc"):
            return reader.read(X).inputs
        return torch.from_numpy(reader.inputs.transform(_frame_of(X)))


def budget_for(num_rows: int, batch_size: int, num_steps: int | None, num_validations: int | None) -> Budget:
    """What a training on so many rows may take."""
    size = int(min(batch_size, num_rows))
    planned = int(np.clip(-(-PASSES * num_rows // size), LEAST_STEPS, MOST_STEPS))
    return Budget(size, planned if num_steps is None else int(num_steps), num_validations or 20)


def _frame_of(X: NDArray[np.float64]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(X, columns=[str(place) for place in range(X.shape[1])])


def _array_features(X: NDArray[np.float64]) -> Features:
    frame = _frame_of(X)
    return Features(frame, tuple(frame.columns), ())


def _frame_features(X: "pd.DataFrame", settings: TableSettings) -> Features:
    import pandas as pd

    absent = [name for name in (*settings.drop, *settings.categories) if name not in map(str, X.columns)]
    if absent:
        raise InputError(f"{_WHERE} has no column {listed(absent)}; it has {listed(map(str, X.columns))}.")
    categorical = [str(name) for name, dtype in X.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    told = replace(settings, categories=tuple(dict.fromkeys((*settings.categories, *categorical))))
    frame = typed_frame(X, told, _WHERE).drop(columns=list(settings.drop))
    if not frame.shape[1]:
        raise InputError(f"{_WHERE} has no column left; drop fewer.")
    features, refusals = check_features(frame, told.categories, How(told, decimal_in(frame, told)))
    if refusals:
        error = refused(_WHERE, refusals)
        raise InputError(str(error).replace(" in corpus.toml", ""))
    return features
