"""`metaopt.load_predictor`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from metaopt.errors import InputError, checked_function, first_line, quoted
from metaopt.prediction.predictor import FitRecord, FittedPredictor
from metaopt.prediction.storage import damaged, read_predictor
from metaopt.prediction.trainable import Reader
from metaopt.tasks import ImageReader, RowReader, TextReader

#: By what a document says that they read; a reader of tables says nothing.
_READERS: Mapping[str | None, Any] = {"images": ImageReader, "texts": TextReader}


@checked_function()
def load_predictor(folder: str | Path) -> FittedPredictor:
    """Read what `FittedPredictor.save` wrote.

    No code comes out of the folder: the user's own model is imported by the name that the document has.

    Raises:
        InputError: there is none, it is damaged, or its model cannot be imported or has other weights.
    """
    document, weights = read_predictor(folder)
    try:
        said = document["reader"]
        reader: Reader = _READERS.get(said.get("kind"), RowReader).from_json(said)
        record = FitRecord(**document["record"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(Path(folder), error) from error
    with torch.random.fork_rng(devices=[]):
        model = reader.fresh_model()
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"The weights in {quoted(folder)} do not fit the model {quoted(reader.model_name or 'of metaopt')}: "
            f"{first_line(error)}"
        ) from error
    return FittedPredictor(model.eval(), reader, record)
