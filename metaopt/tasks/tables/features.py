"""The feature columns: which are numbers, which categories, which are refused, and how they become inputs."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import quoted
from metaopt.tasks.tables.cell_formats import look_at
from metaopt.tasks.tables.cells import clean, numbers_in
from metaopt.tasks.tables.identifiers import are_identifiers
from metaopt.tasks.tables.refusal import Refusal, refused
from metaopt.tasks.tables.target import MAX_MAGNITUDE, are_dates

if TYPE_CHECKING:
    import pandas as pd

MAX_CATEGORIES = 100

_REMOVE = "remove the column, or list it under drop in corpus.toml"
_PLAIN_NUMBERS = (
    "write plain numbers such as 1234.5, or list the column in corpus.toml under drop, or under categories where these "
    "are labels"
)


@dataclass(frozen=True, eq=False)
class Features:
    """Checked feature columns.

    Attributes:
        frame: numbers as float64, categories as strings; gaps as NaN.
        numbers: names of the numeric columns.
        categories: names of the categorical columns.
    """

    frame: "pd.DataFrame"
    numbers: tuple[str, ...]
    categories: tuple[str, ...]


def read_features(frame: "pd.DataFrame", categories: Sequence[str], where: str) -> Features:
    """`check_features`, with what is refused as one error.

    Args:
        frame: the feature columns.
        categories: columns that are categories whatever they hold.
        where: the file, for messages.

    Raises:
        InputError: columns are refused; it names all of them.
    """
    features, refusals = check_features(frame, categories)
    if refusals:
        raise refused(where, refusals)
    return features


def check_features(frame: "pd.DataFrame", categories: Sequence[str]) -> tuple[Features, list[Refusal]]:
    """Tell numbers from categories and refuse what is neither.

    A column is numeric if all its cells are numbers (integer codes and booleans too), unless `categories` names it;
    otherwise it is a category. Refused are columns that are empty, mix numbers and text, hold numbers that are not
    plain ones (see `metaopt.tasks.tables.cell_formats`), infinite values, free text or identifiers: more than
    MAX_CATEGORIES different strings, or more than half of them different; whole numbers that never repeat, under a name
    such as `id`.

    Returns:
        The columns that can be used, and why others cannot.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    numbers: list[str] = []
    refusals: list[Refusal] = []
    for name in frame.columns:
        column = frame[name]
        encoded = _as_labels(column) if name in categories else _as_numbers(column)
        if encoded is None:
            encoded = _as_categories(column)
        elif name not in categories and not isinstance(encoded, Refusal):
            numbers.append(name)
        if isinstance(encoded, Refusal):
            refusals.append(encoded)
        else:
            columns[name] = encoded
    others = tuple(name for name in columns if name not in numbers)
    return Features(pd.DataFrame(columns), tuple(numbers), others), refusals


def preprocessor(features: Features) -> Any:
    """An unfitted scikit-learn transformer from the columns to inputs.

    Numbers: gaps become the median, then zero mean and unit variance. Categories: gaps become the most frequent one,
    then one-hot; unseen ones are all zeros. Fit it on training rows only.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=False),
    )
    return ColumnTransformer(
        [("numbers", numbers, list(features.numbers)), ("categories", categories, list(features.categories))]
    )


def refitted(settled: Any, features: Features, rows: NDArray[np.int64]) -> Any:
    """A fitted transformer with the means, scales and fills of other rows; which categories there are stays."""
    transformer = copy.deepcopy(settled)
    frame = features.frame.iloc[rows]
    if features.numbers:
        transformer.named_transformers_["numbers"].fit(frame[list(features.numbers)])
    if features.categories:
        transformer.named_transformers_["categories"].steps[0][1].fit(frame[list(features.categories)])
    return transformer


def _as_numbers(column: "pd.Series[Any]") -> "pd.Series[Any] | Refusal | None":
    """The column as float64, why it cannot be used, or None if it is a category."""
    name = str(column.name)
    if column.isna().all():
        return _empty(name)
    numbers = numbers_in(column).astype(np.float64)
    text = np.flatnonzero(numbers.isna() & column.notna())
    if column.dtype.kind not in "biuf":
        texts = column.dropna().astype(str).value_counts(sort=False)
        share = look_at([clean(text) for text in texts.index], list(texts))
        if share.is_foreign:
            return Refusal(name, f" holds {share.format} such as {quoted(share.example)}", _PLAIN_NUMBERS)
        if not share.has_gap_marks and len(text) > column.notna().sum() / 2:
            return None
    if len(text):
        return Refusal(
            name,
            f": row {text[0] + 1} after the header holds {quoted(column.iloc[text[0]])} among numbers",
            "correct it, leave the cell empty, or list the column under categories in corpus.toml",
        )
    huge = np.flatnonzero(numbers.abs() > MAX_MAGNITUDE)
    if len(huge):
        return Refusal(
            name,
            f": row {huge[0] + 1} after the header holds {numbers.iloc[huge[0]]:g}; numbers must be finite and at most "
            f"{MAX_MAGNITUDE:g}",
            "correct it or leave the cell empty",
        )
    if are_identifiers(numbers):
        return Refusal(name, f" holds identifiers (whole numbers, all different, such as {numbers.iloc[0]:g})", _REMOVE)
    if are_dates(numbers):
        return Refusal(name, f" holds dates such as {numbers.dropna().iloc[0]:.0f}", _PLAIN_NUMBERS)
    return numbers


def _as_categories(column: "pd.Series[Any]") -> "pd.Series[Any] | Refusal":
    labels = _as_labels(column)
    if isinstance(labels, Refusal):
        return labels
    filled = labels.dropna()
    different = filled.nunique()
    if different > min(MAX_CATEGORIES, max(5, len(filled) / 2)):
        return Refusal(
            str(column.name),
            f" holds free text or identifiers ({different} different values in {len(filled)} rows, such as "
            f"{_shortened(filled.iloc[0])!r})",
            _REMOVE,
        )
    return labels


def _as_labels(column: "pd.Series[Any]") -> "pd.Series[Any] | Refusal":
    """The column as text, whatever it holds."""
    filled = column.dropna().map(lambda value: clean(str(value)))
    if filled.empty:
        return _empty(str(column.name))
    return filled.astype(object).reindex(column.index)


def _empty(name: str) -> Refusal:
    return Refusal(name, " is empty in every row", "remove the column")


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
