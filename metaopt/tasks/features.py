"""The feature columns: which are numbers, which categories, which are refused, and how they become inputs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metaopt.errors import InputError
from metaopt.tasks.target import MAX_MAGNITUDE

if TYPE_CHECKING:
    import pandas as pd

MAX_CATEGORIES = 100

_IDENTIFIER = re.compile(r"(^|[\W_])(id|idx|index|row|key|unnamed)($|[\W_\d])", re.IGNORECASE)


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
    """Tell numbers from categories and refuse what is neither.

    A column is numeric if all its cells are numbers (integer codes and booleans too), unless `categories` names it;
    otherwise it is a category.

    Args:
        frame: the feature columns.
        categories: columns that are categories whatever they hold.
        where: the file, for messages.

    Raises:
        InputError: a column that is empty, mixes numbers and text, holds infinite values, or holds free text or
            identifiers: more than MAX_CATEGORIES different strings, or more than half of them different; whole numbers
            that never repeat, under a name such as `id`.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    numbers: list[str] = []
    for name in frame.columns:
        place = f"{where}, column {name!r}"
        if frame[name].isna().all():
            raise InputError(f"{place} is empty in every row; remove the column.")
        is_category = name in categories
        parsed = None if is_category else _as_numbers(frame[name], place)
        if parsed is None:
            columns[name] = _as_categories(frame[name], place, is_category)
        else:
            columns[name] = parsed
            numbers.append(name)
    rest = tuple(name for name in columns if name not in numbers)
    return Features(pd.DataFrame(columns), tuple(numbers), rest)


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


def _as_numbers(column: "pd.Series[Any]", place: str) -> "pd.Series[Any] | None":
    """The column as float64, or None if it is a category."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    text = np.flatnonzero(numbers.isna() & column.notna())
    if len(text) > column.notna().sum() / 2:
        return None
    if len(text):
        raise InputError(
            f"{place}: row {text[0] + 1} after the header holds {column.iloc[text[0]]!r} among numbers; correct it, "
            "leave the cell empty, or list the column under categories in corpus.toml."
        )
    huge = np.flatnonzero(numbers.abs() > MAX_MAGNITUDE)
    if len(huge):
        raise InputError(
            f"{place}: row {huge[0] + 1} after the header holds {numbers.iloc[huge[0]]:g}; numbers must be "
            f"finite and at most {MAX_MAGNITUDE:g}: correct it or leave the cell empty."
        )
    if _IDENTIFIER.search(str(column.name)) and numbers.is_unique and bool((numbers % 1 == 0).all()):
        raise InputError(
            f"{place} holds identifiers (whole numbers, all different, such as {numbers.iloc[0]:g}); remove the "
            "column, or list it under drop in corpus.toml."
        )
    return numbers


def _as_categories(column: "pd.Series[Any]", place: str, is_declared: bool) -> "pd.Series[Any]":
    filled = column.dropna().map(lambda value: str(value).strip())
    different = filled.nunique()
    if not is_declared and different > min(MAX_CATEGORIES, max(5, len(filled) / 2)):
        raise InputError(
            f"{place} holds free text or identifiers ({different} different values in {len(filled)} rows, such as "
            f"{_shortened(filled.iloc[0])!r}); remove the column, or list it under drop in corpus.toml."
        )
    return filled.astype(object).reindex(column.index)


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
