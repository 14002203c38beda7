"""A folder of images by class as a corpus of one few-shot task; see `metaopt.tasks.images.folder` for the layouts.

`task = "episodes"` in `corpus.toml` makes it one, or a table `[episodes]` whose keys are the fields of
`EpisodeSettings`; without them a folder of images by class is a classification (`metaopt.tasks.labelled`), but for the
layouts of Omniglot and Mini-ImageNet, whose classes are no classification's:

    task = "episodes"

    [episodes]
    n_way = 5
    k_shot = 1
    size = 84
    channels = 3
    num_iterations = 20000
"""

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch.nn.functional as F
from torch import Tensor

from metaopt.contracts import Corpus, FewShotTask
from metaopt.errors import InputError, check_positive, quoted
from metaopt.tasks.images.class_episodes import ClassEpisodes
from metaopt.tasks.images.conv4 import Conv4
from metaopt.tasks.images.folder import is_image_folder, is_mini_imagenet, is_omniglot, read_image_folder
from metaopt.tasks.images.omniglot import CharacterSplit
from metaopt.tasks.tables.settings import FILE_NAME, settings_as_written

__all__ = ["FILE_NAME", "EpisodeSettings", "accuracy", "is_episode_folder", "load_image_folder"]


@dataclass(frozen=True)
class EpisodeSettings:
    """The table `[episodes]` of `corpus.toml`, or what holds without it.

    Attributes:
        n_way: classes an episode.
        k_shot: support images of each.
        queries: query images of each.
        size: pixels each way that images are resized to; 28 for Omniglot, else 84, if left out.
        channels: 1 for grey, 3 for colour; 1 for Omniglot, else 3, if left out.
        rotations: whether quarter turns are further classes in meta-training; so for Omniglot if left out.
        width: of the four convolutions; 64 up to 32 pixels, else 32, if left out.
        strided: whether convolutions halve by their stride, which is several times faster than pooling; up to 32
            pixels if left out.
        split: of Omniglot's characters, `"random"` or `"vinyals"`; see `metaopt.read_image_folder`.
        num_steps: on a support set.
        num_iterations: of a meta-training.
        episodes_per_iteration: that each averages over.
    """

    n_way: int = 5
    k_shot: int = 1
    queries: int = 5
    size: int | None = None
    channels: int | None = None
    rotations: bool | None = None
    width: int | None = None
    strided: bool | None = None
    split: str = "random"
    num_steps: int = 1
    num_iterations: int = 4000
    episodes_per_iteration: int = 16


def is_episode_folder(folder: Path) -> bool:
    """Whether a folder of images is for few-shot tasks: its `corpus.toml` or its layout says so."""
    if is_omniglot(folder) or is_mini_imagenet(folder):
        return True
    written = settings_as_written(folder)
    return written.get("task") == "episodes" or ("episodes" in written and is_image_folder(folder))


def load_image_folder(folder: Path) -> Corpus:
    """The corpus in a folder of images.

    Raises:
        InputError: the folder, an image or a setting cannot be used.
    """
    settings = _settings(folder)
    omniglot = is_omniglot(folder)
    size = settings.size or (28 if omniglot else 84)
    channels = settings.channels or (1 if omniglot else 3)
    if settings.split != "random" and not omniglot:
        raise InputError(f"{folder / FILE_NAME}, [episodes]: split is for Omniglot, which this folder does not hold.")
    classes = read_image_folder(folder, size=size, channels=channels, characters=settings.split)  # type: ignore[arg-type]
    source = ClassEpisodes(
        classes,
        settings.n_way,
        settings.k_shot,
        settings.queries,
        evaluated_queries=settings.queries,
        rotations=omniglot if settings.rotations is None else settings.rotations,
    )
    width = settings.width or (64 if size <= 32 else 32)
    strided = size <= 32 if settings.strided is None else settings.strided
    name = folder.resolve().name
    task = FewShotTask(
        name=f"{name}_{settings.n_way}_way_{settings.k_shot}_shot",
        family=name,
        model=partial(Conv4, settings.n_way, channels, width, strided=strided),
        episodes=source,
        loss=F.cross_entropy,
        metric=accuracy,
        mode="max",
        num_steps=settings.num_steps,
        num_iterations=settings.num_iterations,
        episodes_per_iteration=settings.episodes_per_iteration,
    )
    return Corpus(name, (task,))


def accuracy(output: Tensor, targets: Tensor) -> Tensor:
    """Share of right answers.

    Args:
        output: scores of the classes, shape (n, classes, …).
        targets: numbers of the right ones, shape (n, …).

    Returns:
        0-d, in [0, 1].
    """
    return (output.argmax(dim=1) == targets).float().mean()


def _settings(folder: Path) -> EpisodeSettings:
    path, written = folder / FILE_NAME, settings_as_written(folder)
    others = [key for key in written if key not in ("task", "episodes")]
    if others and written.get("task") == "episodes":
        raise InputError(f"{path}: keys of a few-shot task, such as {others[0]!r}, stand in the table [episodes].")
    table: Any = written.get("episodes", {})
    known = {field.name: field.type for field in fields(EpisodeSettings)}
    for key, value in table.items():
        if key not in known:
            raise InputError(f"{path}, [episodes]: unknown key {key!r}; known: {sorted(known)}.")
        if key in ("rotations", "strided"):
            if not isinstance(value, bool):
                raise InputError(f"{path}, [episodes]: {key} must be true or false, got {quoted(value)}.")
        elif key == "split":
            if value not in get_args(CharacterSplit):
                raise InputError(f"{path}, [episodes]: split must be 'random' or 'vinyals', got {quoted(value)}.")
        else:
            check_positive(f"{path}, [episodes]: {key}", value)
    return EpisodeSettings(**table)
