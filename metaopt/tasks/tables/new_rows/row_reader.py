"""Rows of a file or a data frame as inputs, by what was settled and fitted on training rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from metaopt.contracts import Split
from metaopt.errors import InputError, did_you_mean, listed, quoted
from metaopt.tasks.tables.columns.cells import GAPS, clean
from metaopt.tasks.tables.columns.conversion import CellFormat, decimal_in
from metaopt.tasks.tables.columns.features import Features
from metaopt.tasks.tables.division import CheckedTable
from metaopt.tasks.tables.new_rows.fitted_inputs import FittedInputs, known_labels
from metaopt.tasks.tables.new_rows.new_file import read_new_file
from metaopt.tasks.tables.new_rows.same_format import reread
from metaopt.tasks.tables.new_rows.target_scale import TargetScale
from metaopt.tasks.tables.reading.arrow_file import typed_frame
from metaopt.tasks.tables.refusal import Refusal
from metaopt.tasks.tables.settings import TableSettings, parsed_settings
from metaopt.tasks.tables.table import model_factory

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ReadColumn:
    """A feature column: of numbers, dates or times, or, without a format, of labels.

    Attributes:
        name: as the file has it.
        parts: the columns that it becomes; itself for labels.
        format: how its cells are read.
    """

    name: str
    parts: tuple[str, ...]
    format: CellFormat | None = None


@dataclass(frozen=True)
class NewRows:
    """Later rows.

    Attributes:
        inputs: shape (rows, num_inputs), float32.
        cells: the table as it was given, or as the file has it.
        unknown: by column, labels that no training row has.
    """

    inputs: Tensor
    cells: "pd.DataFrame"
    unknown: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class RowReader:
    """Turns later rows into inputs.

    Attributes:
        columns: feature columns, in the order of training.
        inputs: what was fitted.
        target: what is predicted.
        settings: what `corpus.toml` said of the training rows.
    """

    columns: tuple[ReadColumn, ...]
    inputs: FittedInputs
    target: TargetScale
    settings: TableSettings

    unit: ClassVar[str] = "rows"

    @classmethod
    def of(cls, features: Features, inputs: FittedInputs, target: TargetScale, settings: TableSettings) -> "RowReader":
        """A reader of rows like these."""
        labels = {*features.categories, *features.encoded, *features.hashed}
        names = features.meanings or dict.fromkeys((*features.numbers, *labels))
        columns = tuple(
            ReadColumn(name, (name,))
            if name in labels
            else ReadColumn(name, features.parts.get(name, (name,)), features.formats.get(name, CellFormat()))
            for name in names
        )
        return cls(columns, inputs, target, settings)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "RowReader":
        """What `to_json` wrote; KeyError, TypeError or ValueError where it did not."""
        columns = tuple(
            ReadColumn(
                each["name"],
                tuple(each["parts"]),
                None if each["format"] is None else CellFormat(**each["format"]),
            )
            for each in document["columns"]
        )
        inputs, target = FittedInputs.from_json(document["inputs"]), TargetScale.from_json(document["target"])
        return cls(columns, inputs, target, parsed_settings(document["settings"], "The predictor's settings"))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; settings that say nothing are left out."""
        plain = TableSettings()
        told = {each.name: getattr(self.settings, each.name) for each in fields(TableSettings)}
        return {
            "columns": [asdict(column) for column in self.columns],
            "inputs": self.inputs.to_json(),
            "target": self.target.to_json(),
            "settings": {name: value for name, value in told.items() if value != getattr(plain, name)},
        }

    @property
    def model_name(self) -> str | None:
        """The user's `"package.module:factory"`, or None for metaopt's own model."""
        return self.settings.model

    def fresh_model(self) -> nn.Module:
        """An untrained model."""
        factory = model_factory(self.settings, self.inputs.one_hot_places)
        return factory(self.inputs.width, self.target.num_outputs)

    def split(self, table: CheckedTable, rows: NDArray[np.int64]) -> Split:
        """Rows of a checked table as inputs and targets."""
        inputs = torch.from_numpy(self.inputs.transform(table.features.frame.iloc[rows]))
        return Split(inputs, self.target.targets(table.target.values[rows]))

    def read(self, source: "str | Path | pd.DataFrame") -> NewRows:
        """Rows of a file, or of a data frame, whose columns may stand in any order, beside others.

        Args:
            source: CSV, Parquet or Feather, or a data frame.

        Raises:
            InputError: it cannot be read, columns are missing, or a cell is none of the training rows' kind.
        """
        if isinstance(source, str | Path):
            cells = read_new_file(Path(source), self.settings)
            return self._read(cells, cells, str(source))
        if not hasattr(source, "iloc"):
            raise InputError(f"Rows are a file or a data frame, got {quoted(source)}.")
        return self._read(typed_frame(source, self.settings, "The data frame"), source, "The data frame")

    def _read(self, frame: "pd.DataFrame", cells: "pd.DataFrame", where: str) -> NewRows:
        import pandas as pd

        self._check_columns(frame, where)
        numeric = [column.name for column in self.columns if column.format is not None]
        decimal = decimal_in(frame[numeric], self.settings) if _has_texts(frame[numeric]) else None
        parts: dict[str, Any] = {}
        unknown: dict[str, tuple[str, ...]] = {}
        labels_of = self.inputs.labels
        for column in self.columns:
            given = frame[column.name]
            if column.format is None:
                parts[column.name], strange = _labels(given, labels_of.get(column.name))
                if strange:
                    unknown[column.name] = strange
                continue
            values = reread(given, column.format, decimal, self.settings.first_year)
            if isinstance(values, Refusal):
                raise InputError(values.sentence(where))
            parts.update(zip(column.parts, values, strict=True))
        checked = pd.DataFrame(parts, index=range(len(frame)))
        return NewRows(torch.from_numpy(self.inputs.transform(checked)), cells, unknown)

    def _check_columns(self, frame: "pd.DataFrame", where: str) -> None:
        names = list(map(str, frame.columns))
        missing = [column.name for column in self.columns if column.name not in names]
        if missing:
            hint = did_you_mean(missing[0], names, " ({})") if len(missing) == 1 else ""
            what = "column" if len(missing) == 1 else "columns"
            raise InputError(
                f"{where} lacks the {what} {listed(missing)}{hint}, which training rows have; it has {listed(names)}."
            )
        if not len(frame):
            raise InputError(f"{where} has no rows; there is nothing to predict.")


def _has_texts(frame: "pd.DataFrame") -> bool:
    return any(dtype.kind == "O" for dtype in frame.dtypes)


def _labels(column: "pd.Series[Any]", known: tuple[str, ...] | None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """A column as the labels of training rows, and those that none of them has; hashed ones are all known."""
    import pandas as pd

    codes, raw = pd.factorize(column)
    texts = [clean(str(text)) for text in raw]
    read = {text: text for text in texts} if known is None else known_labels(texts, known)
    values = np.array([np.nan if text in GAPS else read[text] for text in texts] + [np.nan], dtype=object)
    strange = [] if known is None else sorted({read[text] for text in texts if text not in GAPS} - set(known))
    return values[codes], tuple(strange)


def unknown_labels(rows: NewRows) -> list[str]:
    """Sentences about labels that no training row has."""
    return [
        f"column {quoted(name)} has {listed(labels, 4)}, which no training row has: such rows are predicted without it"
        for name, labels in rows.unknown.items()
    ]
