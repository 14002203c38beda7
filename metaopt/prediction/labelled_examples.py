"""Images or texts by class, to fit a model to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from metaopt.contracts import Split, Task
from metaopt.inner import augmented
from metaopt.prediction.training import Measure
from metaopt.tasks import (
    ImageReader,
    LabelledSource,
    Rows,
    Target,
    TextReader,
    class_loss,
    example_reader,
    example_split,
)


@dataclass(frozen=True)
class LabelledExamples:
    """See `Trainable`.

    Attributes:
        task: that was made of them, by whose augmentation training batches go.
        source: the examples.
    """

    task: Task
    source: LabelledSource

    is_known = True

    @property
    def where(self) -> str:
        """The folder or the file."""
        return self.source.where

    @property
    def own(self) -> Rows:
        """Examples of each part."""
        return self.source.own

    @property
    def target(self) -> Target:
        """Of all examples."""
        return self.source.target

    @property
    def metric(self) -> str | None:
        """By name."""
        return self.source.settings.metric

    @property
    def is_fixed(self) -> bool:
        """The owner's own parts stay as they are."""
        return self.source.is_fixed

    def prepared(self, rows: NDArray[np.int64]) -> tuple[Split, ImageReader | TextReader]:
        """Examples to train on, and the reader that was fitted to them."""
        reader = example_reader(self.source, rows)
        return example_split(self.source, reader, rows), reader

    def split(self, reader: ImageReader | TextReader, rows: NDArray[np.int64]) -> Split:
        """Other examples, by what the reader was fitted to."""
        return example_split(self.source, reader, rows)

    def model(self, reader: ImageReader | TextReader) -> nn.Module:
        """An untrained model."""
        return reader.fresh_model()

    def loss(self, rows: NDArray[np.int64]) -> Measure:
        """What training on these examples makes small."""
        target = self.source.target
        return class_loss(target.values, target.names, rows, self.source.settings.class_weights, self.where)

    def augmented(self, inputs: Tensor, seed: int, step: int) -> Tensor:
        """A training batch as the task's augmentation changes it."""
        return inputs if self.task.augment is None else augmented(self.task, inputs, seed, step)
