"""What changes training images a little, each time anew, by what a generator draws."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

Change: TypeAlias = Callable[[Tensor, Generator], Tensor]

#: Of height and width, how far an image is moved at most.
SHIFT = 1 / 8
#: Degrees that an image is turned by at most.
DEGREES = 15
#: By how much the contrast, and the brightness in standard deviations of all pixels, change at most.
LIGHT = 0.2


def shift(images: Tensor, generator: Generator) -> Tensor:
    """Moved by up to an eighth of height and width; what comes in repeats the edge."""
    for dim in (-2, -1):
        size = images.shape[dim]
        most = max(1, round(size * SHIFT))
        moves = torch.randint(-most, most + 1, (len(images), 1), generator=generator)
        places = (torch.arange(size) + moves).clamp(0, size - 1)
        shape = (len(images), 1, size, 1) if dim == -2 else (len(images), 1, 1, size)
        images = images.gather(dim, places.view(shape).expand_as(images))
    return images


def flip(images: Tensor, generator: Generator) -> Tensor:
    """Left and right exchanged, in half of the images."""
    is_flipped = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(is_flipped.view(-1, 1, 1, 1), images.flip(-1), images)


def rotate(images: Tensor, generator: Generator) -> Tensor:
    """Turned by up to 15 degrees about the middle; what comes in repeats the edge."""
    angles = (2 * torch.rand(len(images), generator=generator) - 1) * math.radians(DEGREES)
    height, width = images.shape[-2:]
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
    # Places are in units of half the height and half the width.
    rows = [[cosine, -sine * height / width, zero], [sine * width / height, cosine, zero]]
    turns = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2).to(images.dtype)
    grid = F.affine_grid(turns, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def light(images: Tensor, generator: Generator) -> Tensor:
    """Contrast and brightness changed by up to a fifth."""
    changes = ((2 * torch.rand(2, len(images), 1, 1, 1, generator=generator) - 1) * LIGHT).to(images.dtype)
    return images * (1 + changes[0]) + changes[1]


#: By the names that `corpus.toml` has.
CHANGES: Mapping[str, Change] = {"shift": shift, "flip": flip, "rotate": rotate, "light": light}


@dataclass(frozen=True)
class Augmentation:
    """Several changes, one after the other; see `metaopt.Task.augment`.

    Attributes:
        names: of CHANGES.
    """

    names: tuple[str, ...]

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """Images of shape (n, channels, height, width), changed."""
        for name in self.names:
            images = CHANGES[name](images, generator)
        return images
