"""Digits told apart: residual and depthwise convolutions with batch, group and layer norm, and a small ViT."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.corpora.ladder.family import Family
from benchmarks.corpora.ladder.images import digit_splits
from benchmarks.recipes.drop_in_models import Block, Residual

CLASSES = 10


def families(folder: Path) -> list[Family]:
    """By kind of layer and of norm."""
    data = partial(digit_splits, folder)
    middle = {"width": 8, "depth": 2, "batch": 32, "horizon": 200}
    return [
        Family(
            "resnet",
            residual,
            data,
            middle,
            {"width": (4,), "depth": (2,), "batch": (0.25,), "horizon": (3,)},
        ),
        Family("depthwise", partial(blocks, nn.BatchNorm2d, True), data, {**middle, "width": 16}, {"width": (4,)}),
        Family("group_norm", partial(blocks, GroupNorm, False), data, {**middle, "depth": 1}, {"width": (4,)}),
        Family("layer_norm", partial(blocks, ChannelNorm, False), data, {**middle, "depth": 1}, {"width": (4,)}),
        Family(
            "vit",
            VisionTransformer,
            partial(digit_splits, folder, halved=False),
            {**middle, "width": 32, "depth": 1, "batch": 16},
            {"width": (4,), "batch": (4,)},
        ),
    ]


def residual(width: int, depth: int) -> nn.Module:
    """The blocks of `drop_in`'s residual network, with BatchNorm; the second is twice as wide, as all behind it."""
    widths = [1, width, *(2 * width for _ in range(depth - 1))]
    blocks = [Residual(*widths[index : index + 2], 2 if index < 2 else 1) for index in range(depth)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], CLASSES))


def blocks(norm: Callable[[int], nn.Module], depthwise: bool, width: int, depth: int) -> nn.Module:
    """A strided stem, blocks, a norm and a linear layer.

    vmap makes one convolution of those of all members, which is slow where each has a group for every channel already:
    depthwise ones go with BatchNorm, which the loop trains.
    """
    layers = [ConvolutionBlock(width, norm, depthwise) for _ in range(depth)]
    head = (norm(width), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))
    return nn.Sequential(nn.Conv2d(1, width, 2, stride=2), *layers, *head)


class ConvolutionBlock(nn.Module):
    """A convolution, a norm, two linear layers over channels, a sum (Liu et al., arXiv:2201.03545)."""

    def __init__(self, width: int, norm: Callable[[int], nn.Module], depthwise: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width if depthwise else 1),
            norm(width),
            nn.Conv2d(width, 2 * width, 1),
            nn.GELU(),
            nn.Conv2d(2 * width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class GroupNorm(nn.GroupNorm):
    """Groups of a quarter of the channels."""

    def __init__(self, width: int) -> None:
        super().__init__(4, width)


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1).contiguous()).movedim(-1, 1).contiguous()


class VisionTransformer(nn.Module):
    """Patches of 7 × 7 pixels, blocks of attention, the mean over patches (Dosovitskiy et al., arXiv:2010.11929)."""

    def __init__(self, width: int, depth: int, heads: int = 4, patches: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 7, stride=7)
        self.positions = nn.Parameter(0.02 * torch.randn(patches, width))
        self.blocks = nn.Sequential(*(VisionBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        states = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        output: Tensor = self.head(self.norm(self.blocks(states)).mean(1))
        return output


class VisionBlock(Block):
    """Every patch sees every other."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norms[0](x), is_causal=False)
        return x + self.mlp(self.norms[1](x))
