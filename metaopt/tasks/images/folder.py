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
from metaopt.tasks.images.class_episodes import FRACTIONS, Classes, ClassSplit, divided

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"})
#: Of the classes that meta-train, the share that meta-validates where a layout names none: 100 of Omniglot's 1,200.
VALIDATION_SHARE = 1 / 12
#: Omniglot's usual number of classes to meta-train and meta-validate with; the others meta-test.
OMNIGLOT_CLASSES = 1200

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
    return _omniglot(folder) is not None


def is_mini_imagenet(folder: Path) -> bool:
    """Whether a folder has the layout of Mini-ImageNet: images in one folder, lists of them beside it."""
    return (folder / "images").is_dir() and (folder / "train.csv").is_file()


@checked_function()
def read_image_folder(
    folder: str | Path, *, size: int = 28, channels: int = 1, split: ClassSplit = FRACTIONS, seed: int = 0
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
        seed: of the order of classes, where the layout does not say.

    Raises:
        InputError: there is no such folder, it holds no images, or one cannot be read.
    """
    path = as_path(folder, "A folder of images")
    if not path.is_dir():
        raise InputError(f"{path} is no folder; give one that holds images by class.")
    omniglot = _omniglot(path)
    if omniglot is not None:
        return _omniglot_classes(omniglot, size, seed)
    parted = _parted(path)
    if parted is not None:
        return {name: _folder_classes(part, size, channels) for name, part in parted.items()}
    if is_mini_imagenet(path):
        return {name: _listed_classes(path, names, size, channels) for name, names in _PARTS.items()}  # type: ignore[misc]
    return divided(_folder_classes(path, size, channels), split, seed)


# Omniglot.


def _omniglot(folder: Path) -> tuple[Path, Path] | None:
    for suffix in ("", ".npz"):
        pair = folder / f"images_background{suffix}", folder / f"images_evaluation{suffix}"
        if all(path.exists() for path in pair):
            return pair
    return None


def _omniglot_classes(parts: Sequence[Path], size: int, seed: int) -> dict[Partition, Classes]:
    """All characters in a random order: 1,200 to meta-train with, of which a twelfth meta-validates; the rest tests."""
    by_part = [_packed(part, size) if part.suffix == ".npz" else _folder_classes(part, size, 1) for part in parts]
    characters = Classes(
        255 - torch.cat([classes.images for classes in by_part]),
        tuple(count for classes in by_part for count in classes.counts),
        tuple(f"{part.stem}/{name}" for part, classes in zip(parts, by_part, strict=True) for name in classes.names),
    )
    order = torch.randperm(len(characters), generator=torch.Generator().manual_seed(seed)).tolist()
    known = min(OMNIGLOT_CLASSES, round(len(characters) * 0.75))
    train = known - max(1, round(known * VALIDATION_SHARE))
    return {
        "train": characters.subset(order[:train]),
        "validation": characters.subset(order[train:known]),
        "test": characters.subset(order[known:]),
    }


def _packed(path: Path, size: int) -> Classes:
    with np.load(path) as archive:
        images = torch.from_numpy(np.asarray(archive["images"], dtype=np.uint8))
    classes, each = images.shape[:2]
    scaled = _resized(images.flatten(0, 1).unsqueeze(1) * 255, size)
    return Classes(scaled, (each,) * classes, tuple(str(number) for number in range(classes)))


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
