"""`metaopt.load_predictor`."""

from pathlib import Path

import torch

from metaopt.errors import InputError, checked_function, first_line, quoted
from metaopt.prediction.predictor import FitRecord, TablePredictor
from metaopt.prediction.storage import damaged, read_predictor
from metaopt.tasks import RowReader, model_factory


@checked_function()
def load_predictor(folder: str | Path) -> TablePredictor:
    """Read what `TablePredictor.save` wrote.

    No code comes out of the folder: the user's own model is imported by the name that the document has.

    Raises:
        InputError: there is none, it is damaged, or its model cannot be imported or has other weights.
    """
    document, weights = read_predictor(folder)
    try:
        reader = RowReader.from_json(document["reader"])
        record = FitRecord(**document["record"])
        reference = reader.settings.model
        width, outputs = reader.inputs.width, reader.target.num_outputs
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(Path(folder), error) from error
    make = model_factory(reader.settings, reader.inputs.one_hot_places)
    with torch.random.fork_rng(devices=[]):
        model = make(width, outputs)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"The weights in {quoted(folder)} do not fit the model {quoted(reference or 'of metaopt')}: "
            f"{first_line(error)}"
        ) from error
    return TablePredictor(model.eval(), reader, record)
