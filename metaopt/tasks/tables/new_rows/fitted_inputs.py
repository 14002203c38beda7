"""What the preprocessing of training rows came to, in plain numbers and texts, and later rows turned into inputs by it.

It computes what the fitted scikit-learn transformer computes, to the last bit; as numbers it goes into a JSON document,
which a transformer, being an object of one version of a library, does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metaopt.tasks.tables.columns.cells import BOOLEANS
from metaopt.tasks.tables.columns.features import Features, one_hot_places
from metaopt.tasks.tables.columns.many_values import HASHED, hashed_numbers

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class NumberInput:
    """A column of numbers: `(x - mean) / scale`, with `fill` where there is none."""

    name: str
    fill: float
    mean: float
    scale: float


@dataclass(frozen=True)
class OneHotInput:
    """A column of labels as one input a place.

    Attributes:
        name: of the column.
        fill: the label that a gap stands for.
        labels: those of training rows.
        places: of each label, from 0; labels beyond the hundredth share the last.
        unknown: the place of other labels, -1 for none.
        width: how many places.
    """

    name: str
    fill: str
    labels: tuple[str, ...]
    places: tuple[int, ...]
    unknown: int
    width: int


@dataclass(frozen=True)
class MeanTargetInput:
    """A column of many labels, each of which is the mean target of the training rows that have it.

    Attributes:
        name: of the column.
        labels: those of training rows.
        means: of each label, one number a class beyond two.
        gap: of a gap.
        unknown: of other labels.
    """

    name: str
    labels: tuple[str, ...]
    means: tuple[tuple[float, ...], ...]
    gap: tuple[float, ...]
    unknown: tuple[float, ...]


@dataclass(frozen=True)
class FittedInputs:
    """Everything that turns checked columns into inputs, in the order of the inputs.

    Attributes:
        numbers: columns of numbers.
        one_hot: columns of labels.
        mean_target: columns of many labels.
        hashed: names of columns whose labels are hashed to HASHED numbers each.
    """

    numbers: tuple[NumberInput, ...]
    one_hot: tuple[OneHotInput, ...]
    mean_target: tuple[MeanTargetInput, ...]
    hashed: tuple[str, ...]

    @classmethod
    def of(cls, transformer: Any, features: Features) -> "FittedInputs":
        """What a transformer of `metaopt.tasks.tables.columns.features.preprocessor` has fitted."""
        return cls(
            _numbers(transformer, features.numbers),
            _one_hot(transformer, features),
            _mean_target(transformer, features.encoded),
            features.hashed,
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "FittedInputs":
        """What `to_json` wrote; KeyError, TypeError or ValueError where it did not."""
        return cls(
            tuple(NumberInput(**each) for each in document["numbers"]),
            tuple(
                OneHotInput(**{**each, "labels": tuple(each["labels"]), "places": tuple(each["places"])})
                for each in document["one_hot"]
            ),
            tuple(
                MeanTargetInput(
                    each["name"],
                    tuple(each["labels"]),
                    tuple(map(tuple, each["means"])),
                    tuple(each["gap"]),
                    tuple(each["unknown"]),
                )
                for each in document["mean_target"]
            ),
            tuple(document["hashed"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON. It holds the labels of training rows."""
        return asdict(self)

    @property
    def width(self) -> int:
        """How many inputs there are."""
        one_hot, means = sum(each.width for each in self.one_hot), sum(len(each.gap) for each in self.mean_target)
        return len(self.numbers) + one_hot + means + HASHED * len(self.hashed)

    @property
    def one_hot_places(self) -> tuple[tuple[int, int], ...]:
        """Where each category stands among the inputs: its first one, and how many there are."""
        ends = np.cumsum([len(self.numbers), *(each.width for each in self.one_hot)])
        return tuple((int(end), each.width) for end, each in zip(ends, self.one_hot, strict=False))

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The labels that training rows have, by column."""
        known = {each.name: each.labels for each in self.one_hot}
        return known | {each.name: each.labels for each in self.mean_target}

    def transform(self, frame: "pd.DataFrame") -> NDArray[np.float32]:
        """Inputs of rows, shape (rows, width).

        Args:
            frame: the columns by name: numbers as float64, labels as text that `known_labels` has seen; gaps as NaN.
        """
        blocks = [self._scaled(frame)] if self.numbers else []
        blocks += [_placed(frame[each.name], each) for each in self.one_hot]
        blocks += [_averaged(frame[each.name], each) for each in self.mean_target]
        blocks += [hashed_numbers(frame[[name]]) for name in self.hashed]
        whole = np.concatenate(blocks, axis=1) if blocks else np.zeros((len(frame), 0))
        return np.ascontiguousarray(whole, dtype=np.float32)

    def _scaled(self, frame: "pd.DataFrame") -> NDArray[np.float64]:
        values = frame[[each.name for each in self.numbers]].to_numpy(dtype=np.float64, copy=True)
        fills, means, scales = (
            np.array([getattr(each, name) for each in self.numbers]) for name in ("fill", "mean", "scale")
        )
        rows, places = np.nonzero(np.isnan(values))
        values[rows, places] = fills[places]
        scaled: NDArray[np.float64] = (values - means) / scales
        return scaled


def known_labels(texts: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Each text as training rows have it, where only its dress differs: `7.0` for `7`, `true` for `True`.

    Args:
        texts: different ones.
        labels: those of training rows.
    """
    known: set[str] = set(labels)
    by_value: dict[object, str] = {}
    for label in labels:
        by_value.setdefault(_value(label), label)
    by_value.pop(None, None)
    return {text: text if text in known else by_value.get(_value(text), text) for text in texts}


def _value(text: str) -> object:
    """What a text says as a boolean or as a number; None where it is neither."""
    if text in BOOLEANS:
        return str(BOOLEANS[text])
    try:
        return float(text)
    except ValueError:
        return None


def _placed(column: "pd.Series[Any]", one_hot: OneHotInput) -> NDArray[np.float64]:
    place_of = dict(zip(one_hot.labels, one_hot.places, strict=True))
    filled = column.where(column.notna(), one_hot.fill)
    places = np.array([place_of.get(label, one_hot.unknown) for label in filled], dtype=np.int64).reshape(-1)
    block = np.zeros((len(column), one_hot.width))
    rows = np.flatnonzero(places >= 0)
    block[rows, places[rows]] = 1.0
    return block


def _averaged(column: "pd.Series[Any]", means: MeanTargetInput) -> NDArray[np.float64]:
    mean_of = dict(zip(means.labels, means.means, strict=True))
    rows = [means.gap if label != label else mean_of.get(label, means.unknown) for label in column]
    return np.array(rows, dtype=np.float64).reshape(len(column), len(means.gap))


def _numbers(transformer: Any, names: Sequence[str]) -> tuple[NumberInput, ...]:
    if not names:
        return ()
    imputer, scaler = (step for _, step in transformer.named_transformers_["numbers"].steps)
    fills = np.nan_to_num(imputer.statistics_, nan=0.0)
    columns = zip(names, fills, scaler.mean_, scaler.scale_, strict=True)
    return tuple(NumberInput(name, *map(float, values)) for name, *values in columns)


def _one_hot(transformer: Any, features: Features) -> tuple[OneHotInput, ...]:
    names = features.categories
    if not names:
        return ()
    imputer, encoder = (step for _, step in transformer.named_transformers_["categories"].steps)
    columns, start = [], 0
    widths = [width for _, width in one_hot_places(transformer, features)]
    probe = np.array([labels[0] for labels in encoder.categories_], dtype=object)
    for place, (name, labels, width) in enumerate(zip(names, encoder.categories_, widths, strict=True)):
        rows = np.repeat(probe[None], len(labels) + 1, axis=0)
        rows[:-1, place], rows[-1, place] = labels, "\0"  # no cell of a file holds a null byte
        block = encoder.transform(_named(rows, encoder))[:, start : start + width]
        places = [int(row.argmax()) if row.any() else -1 for row in block]
        fill = imputer.statistics_[place]
        columns.append(
            OneHotInput(name, str(fill), tuple(map(str, labels)), tuple(places[:-1]), places[-1], int(width))
        )
        start += width
    return tuple(columns)


def _mean_target(transformer: Any, names: Sequence[str]) -> tuple[MeanTargetInput, ...]:
    if not names:
        return ()
    encoder = transformer.named_transformers_["encoded"]
    known = [[label for label in labels if label == label] for labels in encoder.categories_]
    columns, width = [], len(encoder.encodings_) // len(names)
    probe = np.array([labels[0] for labels in known], dtype=object)
    for place, (name, labels) in enumerate(zip(names, known, strict=True)):
        rows = np.repeat(probe[None], len(labels) + 2, axis=0)
        rows[:-2, place], rows[-2, place], rows[-1, place] = labels, np.nan, "\0"
        block = np.asarray(encoder.transform(_named(rows, encoder)), dtype=np.float64)
        means = [tuple(map(float, row)) for row in block[:, place * width : (place + 1) * width]]
        columns.append(MeanTargetInput(name, tuple(map(str, labels)), tuple(means[:-2]), means[-2], means[-1]))
    return tuple(columns)


def _named(rows: NDArray[Any], encoder: Any) -> Any:
    """Rows under the names that the encoder was fitted with, where it was."""
    import pandas as pd

    names = getattr(encoder, "feature_names_in_", None)
    return rows if names is None else pd.DataFrame(rows, columns=list(names))
