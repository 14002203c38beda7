"""A trained model with all that new rows, images or texts need: predictions in the words and units of training."""

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from metaopt.errors import InputError, one_line
from metaopt.prediction.storage import save_predictor
from metaopt.prediction.trainable import Reader
from metaopt.prediction.training import outputs
from metaopt.tasks import NewRows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FitRecord:
    """How a predictor came about.

    Attributes:
        recipe: its name.
        num_steps: that its weights are of.
        planned_steps: of its training.
        num_rows: that it is trained on.
        rows_why: why these.
        metric: what was measured.
        scores: by `"validation"` and `"test"`, on rows that the *validated* model had not seen; a model of all rows has
            seen them.
    """

    recipe: str
    num_steps: int
    planned_steps: int
    num_rows: int
    rows_why: str
    metric: str
    scores: Mapping[str, float] = field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedPredictor:
    """Predicts new rows, images or texts; `metaopt.fit` makes one, `metaopt.load_predictor` reads one.

    A source of rows is a file (CSV in whatever dialect, Parquet, Feather) or a data frame with the columns that the
    training rows have, in any order and beside others. Cells are read as the training rows' were: categories that no
    training row has count as none, gaps are filled as in training. A source of images is a file or a folder of them; of
    texts, a table or a data frame with the column that training texts were in, a text file, or a folder of these.

    Attributes:
        model: in evaluation mode.
        reader: turns rows, images or texts into inputs.
        record: how it came about.
        is_known: whether the model can be made again, being metaopt's own or one that `corpus.toml` names.
    """

    model: nn.Module
    reader: Reader
    record: FitRecord
    is_known: bool = True

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; none for regression."""
        return self.reader.target.classes

    def predict(self, source: "str | Path | pd.DataFrame") -> NDArray[Any]:
        """The class of each row by name, or its number in the target's unit; shape (rows,).

        Raises:
            InputError: the source cannot be read, lacks a column, or holds a cell of another kind than training rows.
        """
        return self.predictions(self.output(self.reader.read(source).inputs))

    def predict_proba(self, source: "str | Path | pd.DataFrame") -> NDArray[np.float64]:
        """The probability of each class, shape (rows, classes), in the order of `classes`.

        Raises:
            InputError: it is a regression; or see `predict`.
        """
        if not self.classes:
            raise InputError(f"{self.reader.target.name} is a number, which has no probabilities; use predict.")
        return self.reader.target.probabilities(self.output(self.reader.read(source).inputs))

    def table(self, source: "str | Path | pd.DataFrame") -> "pd.DataFrame":
        """The rows as they were given, with columns `predicted TARGET` and, of classes, `probability of CLASS`.

        Raises:
            InputError: see `predict`.
        """
        return self.with_predictions(self.reader.read(source))

    def with_predictions(self, rows: NewRows) -> "pd.DataFrame":
        """What `table` returns, of rows that were read."""
        import pandas as pd

        output = self.output(rows.inputs)
        columns: dict[str, Any] = {f"predicted {self.reader.target.name}": self.predictions(output)}
        if self.classes:
            shares = self.reader.target.probabilities(output)
            columns |= {f"probability of {name}": shares[:, place] for place, name in enumerate(self.classes)}
        return pd.concat([rows.cells, pd.DataFrame(columns, index=rows.cells.index)], axis="columns")

    def predictions(self, output: Tensor) -> NDArray[Any]:
        """Outputs as class names or numbers."""
        if self.classes:
            names: NDArray[Any] = np.array(self.classes, dtype=object)[output.argmax(-1).numpy()]
            return names
        return self.reader.target.numbers(output)

    def output(self, inputs: Tensor) -> Tensor:
        """What the model makes of inputs, shape (rows, num_inputs).

        metaopt's own model computes in float64, so that a row's prediction is the same whatever rows are beside it.
        """
        if self.reader.model_name is None and self.is_known:
            exact = inputs.double() if inputs.is_floating_point() else inputs
            return outputs(copy.deepcopy(self.model).double(), exact)
        return outputs(self.model, inputs)

    def save(self, folder: str | Path) -> None:
        """Write `predictor.json` and the model's weights beside it; nothing in them is pickled.

        The document holds what was fitted to training rows: means, scales, the labels of categories, tokens of texts.

        Raises:
            InputError: the model cannot be made again, or the folder cannot be written.
        """
        self.check_known()
        save_predictor(self.document(), self.model, folder)

    def check_known(self) -> None:
        """Refuse a model that could not be made again."""
        if not self.is_known:
            raise InputError(
                'The model was made by a function, which a folder cannot hold; name it as "package.module:factory" to '
                "save it."
            )

    def document(self) -> dict[str, Any]:
        """What `predictor.json` says, but for its weights."""
        return {"reader": self.reader.to_json(), "record": asdict(self.record)}

    def __repr__(self) -> str:
        target, record = self.reader.target, self.record
        return one_line(self, target=target.name, kind=target.kind, rows=record.num_rows, recipe=record.recipe)
