"""Omniglot's 1,623 characters, from folders or packed, and how they are divided.

`"random"`: in a random order 1,200 to meta-train with, of which a twelfth meta-validates, and 423 to test on. In papers
that go by it rotations are further classes; characters of one alphabet stand on both sides.

`"vinyals"`: that of matching and prototypical networks, 1,028 / 172 / 423. Characters stand in alphabetical order,
those of `images_background` first; the first 1,200 are for meta-training, of which five whole alphabets meta-validate.
So the alphabets that test were not trained on, but for one. (Stated by the lists of Snell et al. 2017,
https://github.com/jakesnell/prototypical-networks.)
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch

from metaopt.contracts import Partition
from metaopt.errors import InputError, quoted
from metaopt.tasks.images.class_episodes import Classes

#: How characters are divided; see above.
CharacterSplit: TypeAlias = Literal["random", "vinyals"]
#: Usual number of classes to meta-train and meta-validate with; the others meta-test.
TRAINED = 1200
#: Of the classes that meta-train, the share that meta-validates: 100 of 1,200.
VALIDATION_SHARE = 1 / 12
#: Alphabets of `images_background` that meta-validate in Vinyals's split.
VALIDATION_ALPHABETS = frozenset({"Armenian", "Bengali", "Early_Aramaic", "Hebrew", "Mkhedruli_(Georgian)"})
#: Beside packed images: the alphabet and character of each row.
CHARACTERS = "characters.csv"


def found(folder: Path) -> tuple[Path, Path] | None:
    """The two parts of Omniglot in a folder, packed or not; None if it has them not."""
    for suffix in ("", ".npz"):
        pair = folder / f"images_background{suffix}", folder / f"images_evaluation{suffix}"
        if all(path.exists() for path in pair):
            return pair
    return None


def check_split(split: object) -> None:
    """Refuse what is no `CharacterSplit`."""
    if split not in get_args(CharacterSplit):
        raise InputError(f"Omniglot is divided 'random' or as 'vinyals', got {quoted(split)}.")


def unpacked(path: Path) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Images of one part, black on white, shape (n, 1, height, width), and how many each character has."""
    with np.load(path) as archive:
        images = torch.from_numpy(np.asarray(archive["images"], dtype=np.uint8))
    classes, each = images.shape[:2]
    return images.flatten(0, 1).unsqueeze(1) * 255, (each,) * classes


def divided_characters(
    parts: Sequence[Path], by_part: Sequence[Classes], split: CharacterSplit, seed: int
) -> dict[Partition, Classes]:
    """The characters of each partition, their strokes bright.

    Args:
        parts: `images_background` and `images_evaluation`.
        by_part: their characters, black on white.
        split: how they are divided.
        seed: of the random order.

    Raises:
        InputError: Vinyals's split goes by alphabets, which nothing tells for packed images.
    """
    characters = Classes(
        255 - torch.cat([classes.images for classes in by_part]),
        tuple(count for classes in by_part for count in classes.counts),
        tuple(f"{part.stem}/{name}" for part, classes in zip(parts, by_part, strict=True) for name in classes.names),
    )
    numbers = _by_vinyals(parts, by_part) if split == "vinyals" else _at_random(len(characters), seed)
    return {partition: characters.subset(chosen) for partition, chosen in numbers.items()}


def _at_random(count: int, seed: int) -> dict[Partition, list[int]]:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
    known = min(TRAINED, round(count * 0.75))
    train = known - max(1, round(known * VALIDATION_SHARE))
    return {"train": order[:train], "validation": order[train:known], "test": order[known:]}


def _by_vinyals(parts: Sequence[Path], by_part: Sequence[Classes]) -> dict[Partition, list[int]]:
    names = [name for part, classes in zip(parts, by_part, strict=True) for name in _characters(part, classes)]
    order = sorted(range(len(names)), key=lambda number: (number >= len(by_part[0]), names[number]))
    known = order[: min(TRAINED, round(len(order) * 0.75))]
    validates = [number for number in known if number < len(by_part[0]) and names[number][0] in VALIDATION_ALPHABETS]
    if not validates:
        raise InputError(
            f"Vinyals's split validates on the alphabets {sorted(VALIDATION_ALPHABETS)}, and {parts[0]} has none of "
            "them; take the whole of Omniglot, or split 'random'."
        )
    return {
        "train": [number for number in known if number not in set(validates)],
        "validation": validates,
        "test": order[len(known) :],
    }


def _characters(part: Path, classes: Classes) -> list[tuple[str, str]]:
    """Alphabet and character of each class, in the order of the classes."""
    if part.is_dir():
        return [(name.rpartition("/")[0], name.rpartition("/")[2]) for name in classes.names]
    path = part.parent / CHARACTERS
    if not path.is_file():
        raise InputError(
            f"Vinyals's split goes by alphabets, which {part} does not name; put {CHARACTERS} (set, row, alphabet, "
            "character) beside it, or unpack the images into folders."
        )
    import pandas as pd

    frame = pd.read_csv(path)
    lacking = [column for column in ("set", "row", "alphabet", "character") if column not in frame.columns]
    if lacking:
        raise InputError(f"{path} lacks the column {lacking[0]!r}; it has {list(map(str, frame.columns))}.")
    own = frame[frame["set"] == part.stem.removeprefix("images_")].sort_values("row")
    if len(own) != len(classes):
        raise InputError(f"{path} names {len(own):,} characters of {part.name}, which has {len(classes):,}.")
    return list(zip(own["alphabet"].astype(str), own["character"].astype(str), strict=True))
