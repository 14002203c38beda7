"""Columns of more values than one-hot can hold, as a few numbers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

#: Numbers that a hashed column becomes.
HASHED = 32


#: Parts of the training rows, each of which is encoded by the others.
_FOLDS = 3


def many_valued(encoded: Sequence[str], hashed: Sequence[str], num_classes: int) -> list[tuple[str, Any, list[str]]]:
    """Steps of a `ColumnTransformer`, none for kinds of which there are no columns.

    Args:
        encoded: columns whose values become the mean target of their training rows.
        hashed: columns whose values are hashed.
        num_classes: of the target; 1 for regression.
    """
    from sklearn.preprocessing import TargetEncoder

    steps: list[tuple[str, Any, list[str]]] = []
    if encoded:
        kind = {1: "continuous", 2: "binary"}.get(num_classes, "multiclass")
        steps.append(("encoded", TargetEncoder(target_type=kind, smooth="auto"), list(encoded)))
    steps.extend((f"hashed {name}", _hasher(), [name]) for name in hashed)
    return steps


def by_others(encoder: Any, frame: "pd.DataFrame", targets: NDArray[Any]) -> NDArray[np.float64]:
    """Training rows, each encoded by the targets of others, so that none sees its own.

    scikit-learn's `fit_transform` does the same with folds that it draws anew each time. A row that is the only one of
    its class is in all of them, or the others would not know the class.

    Args:
        encoder: fitted to all of the rows.
        frame: the columns of the rows.
        targets: of the rows, in an order that says nothing.
    """
    from sklearn.base import clone

    folds = np.arange(len(targets)) % _FOLDS
    is_alone = np.zeros(len(targets), dtype=bool)
    if targets.dtype.kind in "iu":  # each fold has its share of each class
        folds[np.argsort(targets, kind="stable")] = np.arange(len(targets)) % _FOLDS
        is_alone = np.bincount(targets)[targets] < 2
    encoded = np.array(encoder.transform(frame), dtype=np.float64)
    for fold in range(_FOLDS):
        own = (folds == fold) & ~is_alone
        fitted = clone(encoder).fit(frame[~own], targets[~own])
        encoded[own] = fitted.transform(frame[own])
    return encoded


def hashed_numbers(frame: "pd.DataFrame") -> NDArray[np.float64]:
    """What a hashed column becomes, shape (rows, HASHED): nothing is fitted for it.

    Args:
        frame: of that one column, texts; a gap as NaN.
    """
    from sklearn.feature_extraction import FeatureHasher

    numbers: NDArray[np.float64] = _dense(FeatureHasher(HASHED, input_type="string").transform(_tokens(frame)))
    return numbers


def _hasher() -> Any:
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    return make_pipeline(FunctionTransformer(_tokens), FeatureHasher(HASHED, input_type="string"),
                         FunctionTransformer(_dense))  # fmt: skip


def _tokens(frame: Any) -> list[list[str]]:
    """A cell as one token; a gap as none."""
    return [[] if value != value else [str(value)] for value in frame.iloc[:, 0]]


def _dense(matrix: Any) -> Any:
    return matrix.toarray()
