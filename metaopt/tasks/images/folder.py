"""Folders of images by class, in the layouts that few-shot data comes in.

- `train/`, `val/` and `test/`, each with a folder of images for each class;
- `images/` with `train.csv`, `val.csv` and `test.csv` (columns `filename,label`): Mini-ImageNet;
- `images_background/` and `images_evaluation/`, a folder for each alphabet, in it one for each character: Omniglot;
  or packed, `images_background.npz` and `images_evaluation.npz` (`images`: (classes, each, height, width));
- otherwise every folder that holds images is a class, and classes are divided by fractions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from metaopt.contracts import Partition
from metaopt.errors import InputError, checked_function, first_line
from metaopt.files import as_path
from metaopt.tasks.images import omniglot
from metaopt.tasks.images.class_episodes import FRACTIONS, Classes, ClassSplit, divided

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"})

_PARTS = {"train": ("train",), "validation": ("val", "validation", "valid"), "test": ("test",)}


def is_image_folder(folder: Path) -> bool:
    """Whether a folder looks like one of the layouts above."""
    if not folder.is_dir():
        return False
    if is_omniglot(folder) or _parted(folder) is not None:
        return True
    if is_mini_imagenet(folder):
        return True
    tables = any(child.name.endswith((".csv", ".csv.gz")) for child in folder.iterdir())
    return not tables and any(
        any(_is_image(file) for file in child.iterdir()) for child in folder.iterdir() if child.is_dir()
    )


def is_omniglot(folder: Path) -> bool:
    """Whether a folder holds Omniglot, packed or not."""
    return omniglot.found(folder) is not None


def is_mini_imagenet(folder: Path) -> bool:
    """Whether a folder has the layout of Mini-ImageNet: images in one folder, lists of them beside it."""
    return (folder / "images").is_dir() and (folder / "train.csv").is_file()


@checked_function()
def read_image_folder(
    folder: str | Path,
    *,
    size: int = 28,
    channels: int = 1,
    split: ClassSplit = FRACTIONS,
    characters: omniglot.CharacterSplit = "random",
    seed: int = 0,
) -> dict[Partition, Classes]:
    """The classes of each partition, from a folder of images by class.

    These layouts are known:

    - `train/`, `val/` and `test/`, each with a folder of images for each class;
    - `images/` with `train.csv`, `val.csv` and `test.csv` (columns `filename,label`): Mini-ImageNet;
    - `images_background/` and `images_evaluation/`, a folder for each alphabet, in it one for each character: Omniglot;
    - otherwise every folder that holds images is a class.

    Args:
        folder: in one of the layouts above.
        size: images are resized to so many pixels each way, as bytes.
        channels: 1 for grey, 3 for colour. Omniglot's strokes are made bright on dark.
        split: of the classes, where the layout does not say.
        characters: how Omniglot's are divided: `"random"`, 1,100 / 100 / 423 in an order by the seed, or `"vinyals"`,
            1,028 / 172 / 423 by alphabets, as in matching and prototypical networks; packed images need the table
            `characters.csv` (set, row, alphabet, character) beside them for this.
        seed: of the order of classes, where the layout does not say.

    Raises:
        InputError: there is no such folder, it holds no images, or one cannot be read.
    """
    path = as_path(folder, "A folder of images")
    if not path.is_dir():
        raise InputError(f"{path} is no folder; give one that holds images by class.")
    parts = omniglot.found(path)
    if parts is not None:
        omniglot.check_split(characters)
        by_part = [_omniglot_part(part, size) for part in parts]
        return omniglot.divided_characters(parts, by_part, characters, seed)
    parted = _parted(path)
    if parted is not None:
        return {name: _folder_classes(part, size, channels) for name, part in parted.items()}
    if is_mini_imagenet(path):
        return {name: _listed_classes(path, names, size, channels) for name, names in _PARTS.items()}  # type: ignore[misc]
    return divided(_folder_classes(path, size, channels), split, seed)


def _omniglot_part(part: Path, size: int) -> Classes:
    """The characters of one part of Omniglot, black on white."""
    if part.suffix != ".npz":
        return _folder_classes(part, size, 1)
    images, counts = omniglot.unpacked(part)
    return Classes(_resized(images, size), counts, tuple(str(number) for number in range(len(counts))))


# Folders and lists of image files.


def _parted(folder: Path) -> dict[Partition, Path] | None:
    parts: dict[Any, Path] = {}
    for partition, names in _PARTS.items():
        matching = [folder / name for name in names if (folder / name).is_dir()]
        if not matching:
            return None
        parts[partition] = matching[0]
    return parts


def _folder_classes(folder: Path, size: int, channels: int) -> Classes:
    files = sorted(file for file in folder.rglob("*") if _is_image(file))
    if not files:
        raise InputError(f"{folder} holds no images ({', '.join(sorted(SUFFIXES))}) in folders of their classes.")
    return Classes.of(_read(files, size, channels), [str(file.parent.relative_to(folder)) for file in files])


def _listed_classes(folder: Path, names: Sequence[str], size: int, channels: int) -> Classes:
    import pandas as pd

    lists = [folder / f"{name}.csv" for name in names if (folder / f"{name}.csv").is_file()]
    if not lists:
        raise InputError(f"{folder} has a train.csv but no {names[0]}.csv; Mini-ImageNet's layout has all three.")
    frame = pd.read_csv(lists[0])
    if not {"filename", "label"} <= set(frame.columns):
        raise InputError(f"{lists[0]} needs the columns filename and label, it has {list(frame.columns)}.")
    return Classes.of(
        _read([folder / "images" / name for name in frame["filename"]], size, channels), list(frame["label"])
    )


def _read(files: Sequence[Path], size: int, channels: int) -> Tensor:
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError("Reading image files needs Pillow: pip install pillow.") from error
    images = []
    for file in files:
        try:
            with Image.open(file) as image:
                pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"), dtype=np.uint8)
        except OSError as error:
            raise InputError(f"The image {file} cannot be read: {first_line(error)}.") from error
        planes = torch.from_numpy(pixels.copy())
        images.append(_resized((planes.unsqueeze(0) if channels == 1 else planes.permute(2, 0, 1)).unsqueeze(0), size))
    return torch.cat(images)


def _resized(images: Tensor, size: int) -> Tensor:
    """Images of shape (n, channels, height, width) as bytes, n at a time so that few are numbers at once."""
    if images.shape[-2:] == (size, size):
        return images
    parts = [
        F.interpolate(part.float(), (size, size), mode="bilinear", antialias=True).round().clamp(0, 255).byte()
        for part in images.split(2048)
    ]
    return torch.cat(parts)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()
