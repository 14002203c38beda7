"""Image files as pixels: which channels, which size, and what Pillow says where one cannot be read."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metaopt.errors import InputError, first_line

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

#: Pixels of the longer side, where nobody says more.
LONGEST = 32
#: Modes of Pillow that have one channel of 16 bits and more.
_DEEP = frozenset({"I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
_GREY = frozenset({"1", "L", "LA", "La"}) | _DEEP
#: Largest number of a pixel of 16 bits.
_DEEPEST = 65535.0


@dataclass(frozen=True, slots=True)
class Header:
    """What the beginning of an image file says.

    Attributes:
        height: in pixels, as the image is shown.
        width: likewise.
        is_grey: whether it has no colours.
        is_deep: whether pixels have more than 8 bits.
        frames: how many images the file has.
    """

    height: int
    width: int
    is_grey: bool
    is_deep: bool
    frames: int


@dataclass(frozen=True)
class Format:
    """What all images of a task become.

    Attributes:
        channels: 1, grey; 3, colours; 4, colours and how opaque they are.
        height: in pixels.
        width: in pixels.
        is_deep: whether pixels keep more than 8 bits.
    """

    channels: int
    height: int
    width: int
    is_deep: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.channels, self.height, self.width


def format_of(headers: Sequence[Header], size: int | tuple[int, int] | None, channels: int | None) -> Format:
    """What images become: what the owner says, else grey where all are, and sizes as they are, up to LONGEST.

    Where sizes differ, or are beyond LONGEST, height and width are the medians, both divided by what makes the longer
    one LONGEST.

    Args:
        headers: of all images.
        size: pixels each way, or height and width.
        channels: 1, 3 or 4.
    """
    if size is None:
        height, width = (float(np.median([getattr(each, side) for each in headers])) for side in ("height", "width"))
        scale = min(1.0, LONGEST / max(height, width))
        sides = max(1, round(height * scale)), max(1, round(width * scale))
    else:
        sides = (size, size) if isinstance(size, int) else (size[0], size[1])
    if channels is None:
        channels = 1 if all(each.is_grey for each in headers) else 3
    return Format(channels, *sides, is_deep=channels == 1 and any(each.is_deep for each in headers))


def read_header(path: Path) -> Header:
    """What the beginning of an image file says; its pixels are not read.

    Raises:
        ValueError: it cannot be read; says why in one line.
        InputError: Pillow is not installed.
    """
    with _opened(path) as image:
        try:
            return _header(image)
        except Exception as error:
            raise ValueError(first_line(error)) from error


def read_pixels(path: Path, form: Format) -> Tensor:
    """The pixels of an image file, shape (channels, height, width): bytes, or float32 from 0 to 1 if they are deep.

    Turned as its camera says, transparent pixels laid over white (unless they stay transparent), stretched to the size
    by Pillow's bilinear filter, which takes means where it makes images smaller. Of a file with several images the
    first one is taken.

    Raises:
        ValueError: it cannot be read; says why in one line.
    """
    with _opened(path) as image:
        from PIL import Image, ImageOps

        try:
            image.draft(None, (2 * form.width, 2 * form.height))  # JPEGs are decoded no larger than that
            shown = ImageOps.exif_transpose(image)
            if form.is_deep:
                return _deep(shown, form)
            plain = _in_channels(shown, form.channels)
            if plain.size != (form.width, form.height):
                plain = plain.resize((form.width, form.height), Image.Resampling.BILINEAR)
            return _planes(np.asarray(plain, dtype=np.uint8))
        except Exception as error:  # damaged files raise whatever Pillow's readers meet
            raise ValueError(first_line(error)) from error


def described(headers: Sequence[Header]) -> str:
    """Sizes and channels of images, for people."""
    sizes = Counter((each.height, each.width) for each in headers)
    if len(sizes) == 1:
        ((height, width),) = sizes
        shown = f"{height}×{width}"
    else:
        sides = [(min(values), max(values)) for values in zip(*sizes, strict=True)]
        shown = "×".join(f"{low}" if low == high else f"({low} to {high})" for low, high in sides)
    grey = sum(each.is_grey for each in headers)
    colours = "grey" if grey == len(headers) else "colours" if not grey else f"{grey:,} grey, others in colours"
    deep = sum(each.is_deep for each in headers)
    return f"{shown}, {colours}{f', {deep:,} of 16 bits' if deep else ''}"


def _opened(path: Path) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError('Image files are read by Pillow: pip install "metaopt-torch[images]".') from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as of images so large that they may be meant to fill the memory
            return Image.open(path)
    except Exception as error:
        raise ValueError(_reason(error)) from error


def _reason(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    return "it is no image that Pillow knows" if isinstance(error, UnidentifiedImageError) else first_line(error)


def _header(image: "PillowImage") -> Header:
    width, height = image.size
    try:
        if image.getexif().get(0x0112, 1) >= 5:  # turned by a quarter
            width, height = height, width
    except Exception:  # a damaged note about the camera says nothing of the pixels
        pass
    is_grey = image.mode in _GREY or (image.mode == "P" and _has_grey_palette(image))
    return Header(height, width, is_grey, image.mode in _DEEP, int(getattr(image, "n_frames", 1)))


def _has_grey_palette(image: "PillowImage") -> bool:
    palette = np.array(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _in_channels(image: "PillowImage", channels: int) -> "PillowImage":
    from PIL import Image

    if image.mode in _DEEP:
        image = Image.fromarray((_scaled(image) * 255).round().clip(0, 255).astype(np.uint8))
    if channels == 4:
        return image.convert("RGBA")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        white = Image.new("RGBA", opaque.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, opaque)
    return image.convert("L" if channels == 1 else "RGB")


def _deep(image: "PillowImage", form: Format) -> Tensor:
    from PIL import Image

    is_deep = image.mode in _DEEP
    pixels = _scaled(image) if is_deep else np.asarray(_in_channels(image, 1), dtype=np.float32) / 255
    shown = Image.fromarray(pixels)
    if shown.size != (form.width, form.height):
        shown = shown.resize((form.width, form.height), Image.Resampling.BILINEAR)
    return _planes(np.asarray(shown, dtype=np.float32))


def _scaled(image: "PillowImage") -> NDArray[np.float32]:
    """Pixels of 16 bits from 0 to 1; of floating numbers, as they are."""
    pixels = np.asarray(image).astype(np.float32)
    if not np.isfinite(pixels).all():
        raise ValueError("it holds pixels that are no finite numbers")
    return pixels if image.mode == "F" else pixels / _DEEPEST


def _planes(pixels: NDArray[Any]) -> Tensor:
    planes = torch.from_numpy(pixels.copy())
    return planes.unsqueeze(0) if planes.ndim == 2 else planes.permute(2, 0, 1).contiguous()
