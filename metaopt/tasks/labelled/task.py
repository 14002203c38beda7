"""Labelled examples as a task: divided, prepared by what trains, with a model and a loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from metaopt.contracts import Task
from metaopt.errors import InputError
from metaopt.tasks.images.augmentation import Augmentation
from metaopt.tasks.images.conv_net import ConvNet
from metaopt.tasks.labelled.examples import Examples, read_examples
from metaopt.tasks.labelled.in_pieces import InPieces
from metaopt.tasks.labelled.layout import Kind
from metaopt.tasks.labelled.leaks import labelled_leaks
from metaopt.tasks.labelled.rows import LabelledRows, own_rows
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.labelled.splits import FOLDERS_TARGET, LabelledSource, LabelledSplits
from metaopt.tasks.module_attribute import load_attribute
from metaopt.tasks.named_model import named_model
from metaopt.tasks.tables.losses import class_loss
from metaopt.tasks.tables.metrics import metric_of
from metaopt.tasks.tables.splitting import Rows
from metaopt.tasks.tables.target import Target
from metaopt.tasks.texts.embedding_net import EmbeddingNet
from metaopt.tasks.texts.tokens import Vocabulary


@dataclass(frozen=True)
class Standardised:
    """Pixels with zero mean and unit variance over the training images, channel by channel.

    Attributes:
        mean: shape (channels, 1, 1).
        scale: standard deviation, shape (channels, 1, 1); 1 where all pixels are the same.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def of(cls, images: Tensor) -> "Standardised":
        """Fitted to training images, shape (n, channels, height, width), a few at a time."""
        count = images[:, 0].numel()
        parts = [part.double() for part in images.split(1024)]
        mean = torch.stack([part.sum((0, 2, 3)) for part in parts]).sum(0) / count
        squares = [(part - mean[:, None, None]).square().sum((0, 2, 3)) for part in parts]
        scale = (torch.stack(squares).sum(0) / count).sqrt()
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        return cls(mean.float()[:, None, None], scale.float()[:, None, None])

    def __call__(self, images: Tensor) -> Tensor:
        """Images as float32."""
        return (images.float() - self.mean) / self.scale


@dataclass(frozen=True, eq=False)
class LabelledTask:
    """A folder's task, with what it was made from.

    Attributes:
        task: to train on.
        examples: that lie in the folder.
        rows: their division.
        vocabulary: of texts.
        augmentation: names of what changes training images.
    """

    task: Task
    examples: Examples
    rows: LabelledRows
    vocabulary: Vocabulary | None = None
    augmentation: tuple[str, ...] = ()

    def leaks(self) -> list[str]:
        """See `labelled_leaks`."""
        examples = self.examples
        return labelled_leaks(self.rows, examples.names, examples.kind, self.vocabulary, examples.originals)


def task_of_folder(folder: Path, kind: Kind, settings: LabelledSettings) -> LabelledTask:
    """The classification of the examples in a folder; see `metaopt.tasks.labelled.layout`.

    Raises:
        InputError: the folder, a file in it or a setting cannot be used.
    """
    name, where = folder.resolve().name, str(folder)
    examples = read_examples(folder, kind, settings)
    own = own_rows(examples.classes, examples.parts, name, settings.validation, settings.test)
    vocabulary = None
    if isinstance(examples.contents, Tensor):
        prepared = Standardised.of(examples.contents[torch.from_numpy(own[0])])
        rows = LabelledRows(examples.contents, examples.classes, name, own, "test" in examples.parts, prepared)
    else:
        vocabulary = vocabulary_of(examples.contents, own, settings.tokens, settings.vocabulary, settings.length, where)
        rows = LabelledRows(
            vocabulary.numbers(examples.contents), examples.classes, name, own, "test" in examples.parts
        )
    task = classification(
        rows,
        _source(examples, own, settings, where),
        vocabulary,
        family=f"{kind.removesuffix('s')}_classification",
        width=settings.width,
        augment=Augmentation(settings.augment) if settings.augment else None,
    )
    return LabelledTask(task, examples, rows, vocabulary, settings.augment)


def classification(
    rows: LabelledRows,
    source: LabelledSource,
    vocabulary: Vocabulary | None,
    *,
    family: str,
    width: float = 1.0,
    augment: Augmentation | None = None,
) -> Task:
    """The task of classifying images or texts, as the settings of their source say.

    Args:
        rows: the examples, divided.
        source: what they were made from.
        vocabulary: of texts; None for images.
        family: of the task, unless the settings name one.
        width: see `models`.
        augment: what changes training images, or None.

    Raises:
        InputError: a setting cannot be used.
    """
    settings, where, names = source.settings, source.where, source.target.names
    metric, splits = metric_of(settings.metric, "classification", where), LabelledSplits.of(rows.splits(), source)
    model, widened = models(settings.model, splits.train.inputs, vocabulary, len(names), where, width)
    return Task(
        name=rows.name,
        family=settings.family or family,
        model=model,
        data=splits,
        loss=class_loss(rows.classes, names, rows.own[0], settings.class_weights, where),
        metric=None if metric is None else metric.function,
        mode="min" if metric is None else metric.mode,
        batch_size=min(settings.batch_size, len(splits.train)),
        num_steps=settings.num_steps,
        num_validations=settings.num_validations,
        widened=widened,
        redraw=None if source.is_fixed else rows,
        augment=augment,
    )


def _source(examples: Examples, own: Rows, settings: LabelledSettings, where: str) -> LabelledSource:
    return LabelledSource(
        examples.contents,
        Target("classification", examples.classes, len(examples.names), examples.names),
        FOLDERS_TARGET,
        own,
        settings,
        where,
        "validation" in examples.parts,
        examples.format,
        are_lines=not examples.are_folders,
    )


def vocabulary_of(texts: Sequence[str], rows: Rows, kind: str | None, size: int, length: int, where: str) -> Vocabulary:
    """What is read of texts, by those that train.

    Raises:
        InputError: no two training texts have a token in common.
    """
    vocabulary = Vocabulary.of([texts[row] for row in rows[0]], kind, size, length)
    if not len(vocabulary):
        raise InputError(f"{where} has no two training texts with a token in common, of which nothing can be learned.")
    return vocabulary


def models(
    reference: str | None,
    inputs: Tensor,
    vocabulary: Vocabulary | None,
    num_classes: int,
    where: str,
    width: float = 1.0,
) -> tuple[Callable[[], nn.Module], Callable[[float], nn.Module] | None]:
    """What makes models of images or texts, and wider ones where the task's own network is taken.

    Args:
        reference: the user's `"package.module:factory"`.
        inputs: of training examples.
        vocabulary: of texts; None for images.
        num_classes: outputs.
        where: the file or folder, for messages.
        width: by how much the task's own network is wider than it is by itself.

    Raises:
        InputError: see `named_model`.
    """
    own: Callable[..., nn.Module]
    size: Any = tuple(inputs.shape[1:]) if vocabulary is None else len(vocabulary) + 1
    if reference is None:
        own = ConvNet if vocabulary is None else EmbeddingNet
        return partial(in_pieces, own, size, num_classes, width), partial(_wider, own, size, num_classes, width)
    names = "(shape, num_classes)" if vocabulary is None else "(num_tokens, num_classes)"
    own = named_model(reference, (size, num_classes), names, inputs[:2], num_classes, where)
    return partial(in_pieces, own, size, num_classes), None


def fresh_model(
    reference: str | None, own: Callable[..., nn.Module], size: Any, num_classes: int, width: float
) -> nn.Module:
    """A model by the user's `"package.module:factory"`, or the task's own; see `models`."""
    if reference is not None:
        return in_pieces(load_attribute(reference), size, num_classes)
    return in_pieces(own, size, num_classes, width)


def _wider(factory: Callable[..., nn.Module], size: Any, num_classes: int, own_width: float, width: float) -> nn.Module:
    return in_pieces(factory, size, num_classes, own_width * width)


def in_pieces(factory: Callable[..., nn.Module], *arguments: Any) -> nn.Module:
    """A model that is evaluated on a few examples at a time."""
    return InPieces(factory(*arguments))
