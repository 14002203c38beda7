"""Images: open digits, and characters of Omniglot's open alphabets by writers who are never shared between splits."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import metaopt
from benchmarks.corpora import judging_rows
from benchmarks.corpora.development_corpus import on_grid
from benchmarks.corpora.real_models import DIGITS_PARTS

#: Height and width of characters, and how many of them there are, by 20 writers each.
SIDE, CHARACTERS = 16, 160
WRITERS = (12, 3, 5)


def digit_splits(folder: Path, *, halved: bool = True) -> metaopt.Splits:
    """The digits that `drop_in` trains on, in its order: shape (n, 1, 14, 14), or 28 × 28."""
    images, labels = judging_rows.digits(folder)
    inputs = images[:, None].float() / 255 - 0.13
    inputs = F.avg_pool2d(inputs, 2) if halved else inputs
    parts = zip(inputs.split(DIGITS_PARTS), labels.split(DIGITS_PARTS), strict=True)
    return metaopt.Splits(*(metaopt.Split(*part) for part in parts))


@cache
def drawings(folder: Path) -> tuple[Tensor, ...]:
    """Characters to train, to validate and to test on, ink 1 and paper 0: float32, shape (n, 1, 16, 16)."""
    with np.load(folder / "omniglot" / judging_rows.OPEN_OMNIGLOT) as packed:
        paper = torch.from_numpy(packed["images"][:CHARACTERS]).double()  # (characters, 20 writers, 105, 105)
    ink = on_grid(1 - F.adaptive_avg_pool2d(paper, SIDE))
    return tuple(part.reshape(-1, 1, SIDE, SIDE) for part in ink.split(WRITERS, dim=1))


def noise_like(images: Tensor, numbers: int, seed: int) -> Tensor:
    """Standard normal numbers for each image, shape (n, numbers), the same on every machine."""
    generator = torch.Generator().manual_seed(seed)
    return on_grid(torch.randn(len(images), numbers, generator=generator, dtype=torch.float64))
