"""A table with a column of image files and one of labels as a task: its images are classified."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.contracts import Task
from metaopt.errors import listed, quoted
from metaopt.tasks.images.augmentation import Augmentation
from metaopt.tasks.labelled.image_names import located, names_images
from metaopt.tasks.labelled.leaks import labelled_leaks
from metaopt.tasks.labelled.reading import Contents, read_images
from metaopt.tasks.labelled.rows import LabelledRows
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.labelled.splits import LabelledSource
from metaopt.tasks.labelled.task import Standardised, classification
from metaopt.tasks.tables.division import own_division
from metaopt.tasks.tables.example_labels import (
    CheckedLabels,
    InputColumns,
    check_labels,
    named_columns,
    usable_columns,
)
from metaopt.tasks.tables.refusal import Refusal, refused
from metaopt.tasks.tables.settings import TableSettings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class CheckedImages:
    """A checked table of images.

    Attributes:
        contents: what the files hold.
        labels: of these.
        columns: that files and labels are in.
        unused: other columns.
    """

    contents: Contents
    labels: CheckedLabels
    columns: InputColumns
    unused: tuple[str, ...]

    @property
    def pixels(self) -> Tensor:
        """Of all rows that are used, shape (rows, channels, height, width)."""
        pixels = self.contents.chosen(self.labels.rows.tolist())
        assert isinstance(pixels, Tensor)
        return pixels


@dataclass(frozen=True, eq=False)
class ImageTask:
    """A table's task, with what it was made from.

    Attributes:
        task: to train on.
        rows: the division of its rows.
        classes: their names.
        originals: what each image was before.
        unused: a sentence on columns that are no inputs; empty where there are none, or the owner says so.
    """

    task: Task
    rows: LabelledRows
    classes: tuple[str, ...]
    originals: tuple[str, ...]
    unused: str = ""

    def leaks(self) -> list[str]:
        """See `labelled_leaks`; and what the table has that is not learned from."""
        found = labelled_leaks(self.rows, self.classes, "rows", None, self.originals)
        return [self.unused, *found] if self.unused else found


def image_columns(frame: "pd.DataFrame", settings: TableSettings, where: str) -> InputColumns | None:
    """The columns of image files and of labels, if a table's images are to be classified; None if it is another.

    They are where `image` names the one, and where one column names image files that lie in the table's folder.

    Raises:
        InputError: `image` or `target` names what is not there, or both the same; or a table has nothing but the names
            of image files and labels, and none of these files is there.
    """
    named = named_columns(frame, "image", settings.image, settings, where)
    if named is not None or settings.text is not None:
        return named
    usable = usable_columns(frame, settings)
    others = {*settings.categories, *settings.hash, settings.target}
    images = [name for name in usable if name not in others and names_images(frame[name])]
    if len(images) != 1 or settings.target not in (None, *usable):
        return None
    (image,) = images
    rest = [name for name in usable if name != image]
    folder = Path(where).parent
    if any(located(frame[image], folder)):
        return named_columns(frame, "image", image, settings, where)
    if len(rest) != 1:
        return None
    fault = f" names image files such as {quoted(frame[image].dropna().iloc[0])}, of which none is in {quoted(folder)}"
    advice = "put them there, or into folders that are named after their classes, and name the folder of these"
    raise refused(where, [Refusal(image, fault, advice)])


def check_images(frame: "pd.DataFrame", columns: InputColumns, settings: TableSettings, where: str) -> CheckedImages:
    """Images and labels of a table.

    Raises:
        InputError: files cannot be read; or labels, groups or times are refused, all of them in one message.
    """
    folder = Path(where).parent
    paths = located(frame[columns.input], folder)
    there = [row for row, path in enumerate(paths) if path is not None]
    sizes = LabelledSettings(size=settings.size, channels=settings.channels)
    contents = read_images([path for path in paths if path is not None], sizes)
    num_lost = len(paths) - len(contents.places)
    if num_lost and ("no_image" not in settings.drop_rows or not contents.places):
        raise refused(where, [_lost(frame, columns.input, paths, contents, folder)])
    read: NDArray[np.int64] = np.array(there, dtype=np.int64)[contents.places]
    labels = check_labels(frame.iloc[read].reset_index(drop=True), columns.target, "images", settings, where)
    read_columns = (columns.input, columns.target)
    unused = tuple(name for name in usable_columns(frame, settings) if name not in read_columns)
    return CheckedImages(contents, labels, columns, unused)


def image_task(table: CheckedImages, name: str, settings: TableSettings, where: str) -> ImageTask:
    """The task of a checked table of images.

    Raises:
        InputError: the settings do not fit.
    """
    labels, columns, pixels = table.labels, table.columns, table.pixels
    target = labels.target
    own = own_division(target, labels.groups, labels.times, name, settings, where)
    prepared = Standardised.of(pixels[torch.from_numpy(own[0])])
    rows = LabelledRows(pixels, target.values, name, own, prepared=prepared)
    source = LabelledSource(
        pixels,
        target,
        columns.target,
        own,
        settings,
        where,
        labels.is_fixed,
        table.contents.format,
        columns.input,
    )
    augment = Augmentation(settings.augment) if settings.augment else None
    task = classification(rows, source, None, family="image_classification", augment=augment)
    originals = tuple(table.contents.originals[row] for row in labels.rows)
    return ImageTask(task, rows, target.names, originals, "" if settings.image else _unused(table))


def _unused(table: CheckedImages) -> str:
    if not table.unused:
        return ""
    image = table.columns.input
    return (
        f"images are the only input, and other columns are none: {listed(table.unused, 3)}. Write drop = "
        f"['{image}'] in corpus.toml to train on these instead, or image = '{image}' to be told no more."
    )


def _lost(frame: "pd.DataFrame", column: str, paths: list[Path | None], contents: Contents, folder: Path) -> Refusal:
    """Why rows have no image that can be read; no setting helps where none has one."""
    count = len(paths) - len(contents.places)
    missing = next((row for row, path in enumerate(paths) if path is None), None)
    if missing is None:
        path, reason = contents.broken[0]
        shown = f"{quoted(path)} ({reason})"
    else:
        cell = frame[column].iloc[missing]
        shown = f"row {missing + 1} has none" if cell != cell else f"{quoted(cell)}, which is not in {quoted(folder)}"
    fault = f": {count:,} of {len(paths):,} rows have no image that can be read, such as {shown}"
    if not contents.places:
        return Refusal(column, fault, "put the files there, or name another column as image")
    advice = 'correct them, or write drop_rows = ["no_image"] in corpus.toml to leave such rows out'
    return Refusal(column, fault, advice, settings={"drop_rows": ["no_image"]})
