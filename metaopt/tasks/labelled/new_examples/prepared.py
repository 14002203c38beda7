"""Images or texts to train on: everything fitted to them, their inputs and targets, and a reader of later ones."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.contracts import Split
from metaopt.tasks.labelled.new_examples.image_reader import ImageReader
from metaopt.tasks.labelled.new_examples.text_reader import TextReader
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.labelled.splits import LabelledSource
from metaopt.tasks.labelled.task import Standardised, vocabulary_of
from metaopt.tasks.tables.new_rows.target_scale import TargetScale
from metaopt.tasks.tables.settings import TableSettings


def example_reader(source: LabelledSource, rows: NDArray[np.int64]) -> ImageReader | TextReader:
    """Fit everything to some of the examples.

    Args:
        source: all examples.
        rows: of those that are trained on.

    Raises:
        InputError: no two of these texts have a token in common.
    """
    settings, contents = source.settings, source.contents
    target = TargetScale(source.target_name, "classification", source.target.names)
    width = settings.width if isinstance(settings, LabelledSettings) else 1.0
    separator = settings.separator if isinstance(settings, TableSettings) else None
    if isinstance(contents, Tensor):
        assert source.format is not None
        fitted = Standardised.of(contents[torch.from_numpy(rows)])
        mean, scale = (tuple(values.flatten().tolist()) for values in (fitted.mean, fitted.scale))
        return ImageReader(
            source.format,
            mean,
            scale,
            target,
            settings.model,
            width,
            source.column,
            settings.encoding,
            separator,
        )
    own = (rows, rows[:0], rows[:0])
    vocabulary = vocabulary_of(contents, own, settings.tokens, settings.vocabulary, settings.length, source.where)
    return TextReader(
        vocabulary,
        target,
        source.column,
        source.are_lines,
        settings.encoding,
        separator,
        settings.model,
        width,
    )


def example_split(source: LabelledSource, reader: ImageReader | TextReader, rows: NDArray[np.int64]) -> Split:
    """Some of the examples as inputs and targets, by what was fitted."""
    contents = source.contents
    if isinstance(contents, Tensor):
        assert isinstance(reader, ImageReader)
        inputs = reader.inputs_of(contents[torch.from_numpy(rows)])
    else:
        assert isinstance(reader, TextReader)
        inputs = reader.inputs_of([contents[row] for row in rows])
    return Split(inputs, torch.from_numpy(source.target.values[rows]))
