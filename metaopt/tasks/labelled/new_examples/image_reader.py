"""Image files as inputs, by what was settled and fitted on training images."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from metaopt.errors import InputError, first_line, listed, quoted
from metaopt.files import is_file
from metaopt.tasks.images.conv_net import ConvNet
from metaopt.tasks.images.pixels import Format, read_pixels
from metaopt.tasks.labelled.image_names import located, names_images
from metaopt.tasks.labelled.new_examples.example_files import example_files
from metaopt.tasks.labelled.reading import check_memory
from metaopt.tasks.labelled.task import Standardised, fresh_model
from metaopt.tasks.tables.csv_folder import SUFFIXES as TABLES
from metaopt.tasks.tables.new_rows.new_file import read_new_file
from metaopt.tasks.tables.new_rows.row_reader import NewRows
from metaopt.tasks.tables.new_rows.target_scale import TargetScale
from metaopt.tasks.tables.settings import TableSettings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ImageReader:
    """Turns later images into inputs.

    Attributes:
        format: what all images become.
        mean: of training images, a number a channel.
        scale: their standard deviation, likewise.
        target: what is predicted.
        model_name: the user's `"package.module:factory"`, or None for metaopt's own model.
        width: by how much that one is wider.
        column: of a table, that named training images; None where they were no table's.
        encoding: of tables, where the owner says it.
        separator: of tables, likewise.
    """

    format: Format
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    target: TargetScale
    model_name: str | None = None
    width: float = 1.0
    column: str | None = None
    encoding: str | None = None
    separator: str | None = None

    unit: ClassVar[str] = "images"

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ImageReader":
        """What `to_json` wrote; KeyError or TypeError where it did not."""
        parts = {name: value for name, value in document.items() if name != "kind"}
        form, target = Format(**parts["format"]), TargetScale.from_json(parts["target"])
        reader = cls(**{**parts, "format": form, "target": target})
        return replace(reader, mean=tuple(reader.mean), scale=tuple(reader.scale))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"kind": "images", **asdict(self), "target": self.target.to_json()}

    def fresh_model(self) -> nn.Module:
        """An untrained model."""
        return fresh_model(self.model_name, ConvNet, self.format.shape, self.target.num_outputs, self.width)

    def inputs_of(self, pixels: Tensor) -> Tensor:
        """Inputs of images that were read in this format, shape (n, channels, height, width)."""
        mean, scale = (torch.tensor(values)[:, None, None] for values in (self.mean, self.scale))
        return Standardised(mean, scale)(pixels)

    def read(self, source: "str | Path | pd.DataFrame") -> NewRows:
        """The images of a folder, in the order of their names, that of one file, or those that a table names.

        Args:
            source: a table names them in the column that named training images, or in the only one that names any; they
                lie in its folder. Those of a data frame lie in the current one.

        Raises:
            InputError: there are none, or one cannot be read.
        """
        import pandas as pd

        if not isinstance(source, str | Path):
            if not hasattr(source, "iloc"):
                raise InputError(f"Images are a file, a folder or a data frame, got {quoted(source)}.")
            return self._of_table(source, "The data frame", Path())
        path = Path(source)
        if is_file(path) and path.name.lower().endswith(TABLES):
            told = TableSettings(encoding=self.encoding, separator=self.separator)
            return self._of_table(read_new_file(path, told), str(path), path.parent)
        files = example_files(source, "images")
        return NewRows(self._inputs(list(files.values())), pd.DataFrame({"file": list(files)}), {})

    def _of_table(self, frame: "pd.DataFrame", where: str, folder: Path) -> NewRows:
        if not len(frame):
            raise InputError(f"{where} has no rows; there is nothing to predict.")
        names = list(map(str, frame.columns))
        wanted = [name for name in names if name == self.column]
        wanted = wanted or [name for place, name in enumerate(names) if names_images(frame.iloc[:, place])]
        if len(wanted) != 1:
            what = "column of image files" if self.column is None else f"column {quoted(self.column)} of image files"
            raise InputError(f"{where} lacks the {what}; it has {listed(names)}.")
        cells = frame.iloc[:, names.index(wanted[0])]
        paths = located(cells, folder)
        lost = next((row for row, path in enumerate(paths) if path is None), None)
        if lost is not None:
            raise InputError(
                f"{where}, column {quoted(wanted[0])}: row {lost + 1} names {quoted(cells.iloc[lost])}, which is "
                f"no image in {quoted(folder)}; correct or remove it."
            )
        return NewRows(self._inputs([path for path in paths if path is not None]), frame, {})

    def _inputs(self, files: Sequence[Path]) -> Tensor:
        check_memory(len(files), self.format)
        pixels, broken = [], []
        for path in files:
            try:
                pixels.append(read_pixels(path, self.format))
            except ValueError as error:
                broken.append(f"{quoted(path)} ({first_line(error)})")
        if broken:
            more = f" (and {len(broken) - 1:,} more)" if len(broken) > 1 else ""
            raise InputError(f"{broken[0]} cannot be read{more}; replace or remove it.")
        return self.inputs_of(torch.stack(pixels))
