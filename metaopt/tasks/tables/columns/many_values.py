"""Columns of more values than one-hot can hold, as a few numbers."""

from collections.abc import Sequence
from typing import Any

#: Numbers that a hashed column becomes.
HASHED = 32


def many_valued(encoded: Sequence[str], hashed: Sequence[str], num_classes: int) -> list[tuple[str, Any, list[str]]]:
    """Steps of a `ColumnTransformer`, none for kinds of which there are no columns.

    Args:
        encoded: columns whose values become the mean target of their training rows.
        hashed: columns whose values are hashed.
        num_classes: of the target; 1 for regression.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler, TargetEncoder

    steps: list[tuple[str, Any, list[str]]] = []
    if encoded:
        kind = {1: "continuous", 2: "binary"}.get(num_classes, "multiclass")
        encoder = TargetEncoder(target_type=kind, smooth="auto", cv=3, random_state=0)
        steps.append(("encoded", make_pipeline(encoder, StandardScaler()), list(encoded)))
    steps.extend((f"hashed {name}", _hasher(), [name]) for name in hashed)
    return steps


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
