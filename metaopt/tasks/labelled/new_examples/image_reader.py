"""Image files as inputs, by what was settled and fitted on training images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from metaopt.errors import InputError, first_line, quoted
from metaopt.tasks.images.conv_net import ConvNet
from metaopt.tasks.images.pixels import Format, read_pixels
from metaopt.tasks.labelled.new_examples.example_files import example_files
from metaopt.tasks.labelled.reading import check_memory
from metaopt.tasks.labelled.task import Standardised, fresh_model
from metaopt.tasks.tables.new_rows.row_reader import NewRows
from metaopt.tasks.tables.new_rows.target_scale import TargetScale

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
    """

    format: Format
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    target: TargetScale
    model_name: str | None = None
    width: float = 1.0

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
        """The images of a folder, in the order of their names, or that of one file.

        Raises:
            InputError: there are none, or one cannot be read.
        """
        import pandas as pd

        files = example_files(source, "images")
        check_memory(len(files), self.format)
        pixels, broken = [], []
        for path in files.values():
            try:
                pixels.append(read_pixels(path, self.format))
            except ValueError as error:
                broken.append(f"{quoted(path)} ({first_line(error)})")
        if broken:
            more = f" (and {len(broken) - 1:,} more)" if len(broken) > 1 else ""
            raise InputError(f"{broken[0]} cannot be read{more}; replace or remove it.")
        return NewRows(self.inputs_of(torch.stack(pixels)), pd.DataFrame({"file": list(files)}), {})
