"""The splits of images or texts by class, which remember what they were made from."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from metaopt.contracts import Splits
from metaopt.tasks.images.pixels import Format
from metaopt.tasks.labelled.settings import LabelledSettings
from metaopt.tasks.tables.settings import TableSettings
from metaopt.tasks.tables.splitting import Rows
from metaopt.tasks.tables.target import Target

#: What folders of classes predict is called so.
FOLDERS_TARGET = "class"


@dataclass(frozen=True, eq=False)
class LabelledSource:
    """Images or texts with their classes.

    Attributes:
        contents: pixels of all images, shape (n, channels, height, width), or texts.
        target: the class of each, and the names of the classes.
        target_name: what is predicted is called so.
        own: which of them train, validate and test.
        settings: what `corpus.toml` says.
        where: the folder or the file.
        is_fixed: whether no other division is drawn.
        format: of images; None for texts.
        column: that texts, or names of image files, are in; None where they are no table's.
        are_lines: whether each line of a text file is an example.
    """

    contents: "Tensor | Sequence[str]"
    target: Target
    target_name: str
    own: Rows
    settings: LabelledSettings | TableSettings
    where: str
    is_fixed: bool
    format: Format | None = None
    column: str | None = None
    are_lines: bool = False


@dataclass(frozen=True, eq=False)
class LabelledSplits(Splits):
    """Splits with their source, which `metaopt.fit` divides and prepares anew.

    Attributes:
        source: what they were made from.
    """

    source: LabelledSource

    @classmethod
    def of(cls, splits: Splits, source: LabelledSource) -> "LabelledSplits":
        """The same splits, with their source."""
        return cls(splits.train, splits.validation, splits.test, source)
