"""The feature columns: which are numbers, which categories, which are refused, and how they become inputs."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import quoted
from metaopt.tasks.tables.columns.cells import clean
from metaopt.tasks.tables.columns.conversion import CellFormat, Converted, How, convert, decimal_in
from metaopt.tasks.tables.columns.free_text import differ_mostly, is_prose
from metaopt.tasks.tables.columns.identifiers import are_identifiers
from metaopt.tasks.tables.columns.many_values import HASHED, many_valued
from metaopt.tasks.tables.refusal import Refusal, refused
from metaopt.tasks.tables.settings import TableSettings

if TYPE_CHECKING:
    import pandas as pd

MAX_CATEGORIES = 100

_REMOVE = "remove the column, or list it under drop in corpus.toml"
#: Largest magnitude of a number.
MAX_MAGNITUDE = 1e30

_BOOLEANS = [
    {"yes", "no"}, {"y", "n"}, {"ja", "nein"}, {"j", "n"}, {"oui", "non"}, {"si", "no"}, {"sí", "no"},
    {"true", "false"},     {"wahr", "falsch"}, {"t", "f"}, {"on", "off"}, {"an", "aus"},
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Features:
    """Checked feature columns.

    Attributes:
        frame: numbers as float64, categories as strings; gaps as NaN.
        numbers: names of the numeric columns; a date is several.
        categories: names of the columns that become one-hot.
        encoded: names of those of many values, each of which becomes the mean target of its training rows.
        hashed: names of those that become numbers by hashing.
        meanings: what each column of the file is, for people.
        formats: how the cells of columns of numbers, dates and times were read.
        parts: the columns of `frame` that each of these became.
    """

    frame: "pd.DataFrame"
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    encoded: tuple[str, ...] = ()
    hashed: tuple[str, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    formats: Mapping[str, CellFormat] = field(default_factory=dict)
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


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


def check_features(
    frame: "pd.DataFrame", categories: Sequence[str], how: How | None = None
) -> tuple[Features, list[Refusal]]:
    """Tell numbers from categories and refuse what is neither.

    A column is numeric if all its cells are numbers (integer codes and booleans too), in whatever dress, or dates and
    times, unless `categories` names it (see `metaopt.tasks.tables.columns.conversion`); otherwise it is a category,
    one-hot up to MAX_CATEGORIES values and by the mean target beyond. Refused are columns that are empty, mix numbers
    and text, can be read in two ways, hold infinite values, free text or identifiers: more than half of the strings
    different; whole numbers that never repeat, under a name such as `id`.

    Returns:
        The columns that can be used, and why others cannot.
    """
    import pandas as pd

    how = how or How(decimal=decimal_in(frame, TableSettings()))
    columns: dict[str, Any] = {}
    kinds: dict[str, list[str]] = {"numbers": [], "categories": [], "encoded": [], "hashed": []}
    meanings: dict[str, str] = {}
    formats: dict[str, CellFormat] = {}
    parts_of: dict[str, tuple[str, ...]] = {}
    refusals: list[Refusal] = []
    for name in map(str, frame.columns):
        column = frame[name]
        is_told = name in categories or name in how.settings.hash
        converted = _as_labels(column) if is_told else _as_numbers(column, how)
        if converted is None:
            converted = _as_categories(column)
        if isinstance(converted, Refusal):
            refusals.append(converted)
        elif isinstance(converted, Converted):
            parts = {_free(part, columns, frame): values for part, values in converted.parts.items()}
            columns.update(parts)
            kinds["numbers"].extend(parts)
            meanings[name] = converted.meaning
            formats[name], parts_of[name] = converted.format, tuple(parts)
        else:
            columns[name] = converted
            kind, meanings[name] = _kind_of(name, converted, how.settings)
            kinds[kind].append(name)
    numbers, labels, encoded, hashed = (tuple(kinds[kind]) for kind in ("numbers", "categories", "encoded", "hashed"))
    frame = pd.DataFrame(columns)
    return Features(frame, numbers, labels, encoded, hashed, meanings, formats, parts_of), refusals


def preprocessor(features: Features, num_classes: int = 1) -> Any:
    """An unfitted scikit-learn transformer from the columns to inputs.

    Numbers: gaps become the median, then zero mean and unit variance. Categories: gaps become the most frequent one,
    then one-hot; unseen ones are all zeros. Many values: the mean target of the training rows that have them, shrunk
    towards that of all, one number a class beyond two; training rows get those of others (`TargetEncoder`), so that no
    row sees its own. Hashed ones: HASHED numbers. Fit it on training rows only, with their targets.

    Args:
        features: the columns.
        num_classes: of the target; 1 for regression.
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
    steps = [("numbers", numbers, list(features.numbers)), ("categories", categories, list(features.categories))]
    return ColumnTransformer([*steps, *many_valued(features.encoded, features.hashed, num_classes)])


def one_hot_places(transformer: Any, features: Features) -> tuple[tuple[int, int], ...]:
    """Where each category stands among the inputs of a fitted transformer: its first one, and how many there are."""
    if not features.categories:
        return ()
    encoder = transformer.named_transformers_["categories"].steps[-1][1]
    places, start = [], len(features.numbers)
    for labels, rare in zip(encoder.categories_, encoder.infrequent_categories_, strict=True):
        width = len(labels) - (0 if rare is None else len(rare) - 1)
        places.append((start, width))
        start += width
    return tuple(places)


def refitted(settled: Any, features: Features, rows: NDArray[np.int64], targets: NDArray[Any] | None = None) -> Any:
    """A fitted transformer with the means, scales and fills of other rows; which categories there are stays."""
    transformer = copy.deepcopy(settled)
    frame = features.frame.iloc[rows]
    if features.numbers:
        transformer.named_transformers_["numbers"].fit(frame[list(features.numbers)])
    if features.categories:
        transformer.named_transformers_["categories"].steps[0][1].fit(frame[list(features.categories)])
    if features.encoded:
        transformer.named_transformers_["encoded"].fit(frame[list(features.encoded)], targets)
    return transformer


def _as_numbers(column: "pd.Series[Any]", how: How) -> Converted | Refusal | None:
    """The column as float64, why it cannot be used, or None if it is a category."""
    name = str(column.name)
    if column.isna().all():
        return _empty(name)
    converted = convert(column, how)
    if not isinstance(converted, Converted) or list(converted.parts) != [name]:
        return converted
    numbers = converted.parts[name]
    huge = np.flatnonzero(numbers.abs() > MAX_MAGNITUDE)
    if len(huge):
        return Refusal(
            name,
            f": row {huge[0] + 1} after the header holds {numbers.iloc[huge[0]]:g}; numbers must be finite and at most "
            f"{MAX_MAGNITUDE:g}",
            "correct it or leave the cell empty",
            settings={"drop": [name]},
        )
    if are_identifiers(numbers, column):
        return Refusal(
            name,
            f" holds identifiers (whole numbers, all different, such as {numbers.iloc[0]:g})",
            _REMOVE,
            settings={"drop": [name]},
        )
    return converted


def _as_categories(column: "pd.Series[Any]") -> "pd.Series[Any] | Refusal":
    labels = _as_labels(column)
    if isinstance(labels, Refusal):
        return labels
    filled = labels.dropna()
    if differ_mostly(filled):
        name = str(column.name)
        return Refusal(
            name,
            f" holds free text or identifiers ({filled.nunique()} different values in {len(filled)} rows, such as "
            f"{_shortened(filled.iloc[0])!r})",
            _REMOVE,
            settings={"drop": [name]},
            choice=f"text = {quoted(name)} makes a task of these texts alone" if is_prose(filled) else "",
        )
    return labels


def _kind_of(name: str, labels: "pd.Series[Any]", settings: TableSettings) -> tuple[str, str]:
    """How a column of labels becomes inputs, and how that is called."""
    values = sorted(labels.dropna().unique())
    if name in settings.hash:
        return "hashed", f"{len(values)} values, hashed to {HASHED} numbers"
    if len(values) > MAX_CATEGORIES and name not in settings.categories:
        return "encoded", f"{len(values)} values, each the mean target of its training rows"
    if {value.casefold() for value in values} in _BOOLEANS:
        return "categories", f"boolean ({values[0]}, {values[1]}), one-hot"
    return "categories", f"one-hot of {len(values)}"


def _free(name: str, columns: Mapping[str, Any], frame: "pd.DataFrame") -> str:
    """A name for a part of a date that no column has."""
    while name in columns or (name in frame.columns and ": " in name and name.split(": ")[0] in frame.columns):
        name += "'"
    return name


def _as_labels(column: "pd.Series[Any]") -> "pd.Series[Any] | Refusal":
    """The column as text, whatever it holds."""
    filled = column.dropna().map(lambda value: clean(str(value)))
    if filled.empty:
        return _empty(str(column.name))
    return filled.astype(object).reindex(column.index)


def _empty(name: str) -> Refusal:
    return Refusal(name, " is empty in every row", "remove the column", settings={"drop": [name]})


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
