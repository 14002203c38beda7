"""Models of images, tables and ratings."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.recipes.drop_in_models import Residual
from benchmarks.recipes.travel.sequence_models import Layer


def perceptron(*widths: int, normed: bool = False) -> nn.Sequential:
    """Linear layers with rectifiers between them, LayerNorm before these if `normed`."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs), *([nn.LayerNorm(outputs)] if normed else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(*widths[-2:]))


class VisionTransformer(nn.Module):
    """Patches of 4 × 4, then a transformer, averaged over places: (n, 1, side, side) to (n, num_classes)."""

    def __init__(self, num_classes: int, width: int, layers: int, heads: int = 4, side: int = 28) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 4, 4)
        self.positions = nn.Parameter(0.02 * torch.randn((side // 4) ** 2, width))
        self.layers = nn.Sequential(*(Layer(width, heads, is_causal=False) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        return self.head(self.norm(self.layers(tokens)).mean(1))


def residual(num_classes: int, width: int) -> nn.Sequential:
    """Three residual blocks with BatchNorm, each of which halves the side."""
    blocks = [Residual(1, width, 2), Residual(width, 2 * width, 2), Residual(2 * width, 4 * width, 2)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, num_classes))


class DepthwiseBlock(nn.Module):
    """A depthwise convolution, LayerNorm and a perceptron over channels, with a shortcut (ConvNeXt's block)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        channels_last = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.down(F.gelu(self.up(channels_last))).permute(0, 3, 1, 2)


class Depthwise(nn.Module):
    """Blocks of depthwise convolutions at two resolutions: (n, 1, side, side) to (n, num_classes)."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 4, 2, 1)
        self.wide = nn.Sequential(DepthwiseBlock(width), nn.Conv2d(width, 2 * width, 2, 2))
        self.deep = nn.Sequential(DepthwiseBlock(2 * width), DepthwiseBlock(2 * width))
        self.norm, self.head = nn.LayerNorm(2 * width), nn.Linear(2 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.deep(self.wide(self.stem(images))).mean((2, 3))))


class VAE(nn.Module):
    """A variational autoencoder of binary images; gives the mean negative evidence lower bound, in nats an image."""

    def __init__(self, pixels: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.encoder, self.decoder = perceptron(pixels, hidden, 2 * latent), perceptron(latent, hidden, pixels)

    def forward(self, images: Tensor) -> Tensor:
        mean, log_variance = self.encoder(images).split(self.latent, dim=1)
        # Judged with the same noise every time.
        noise = torch.randn(mean.shape, generator=None if self.training else torch.Generator().manual_seed(0))
        logits = self.decoder(mean + (0.5 * log_variance).exp() * noise)
        missed = F.binary_cross_entropy_with_logits(logits, images, reduction="none").sum(1)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        return (missed + divergence).mean()


def double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.GroupNorm(4, outputs), nn.SiLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Down twice, up twice, with shortcuts between equal sides: (n, 1, side, side) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.down1, self.down2 = double_convolution(1, width), double_convolution(width, 2 * width)
        self.middle = double_convolution(2 * width, 4 * width)
        self.up2, self.up1 = double_convolution(6 * width, 2 * width), double_convolution(3 * width, width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.down1(images)
        coarse = self.down2(F.max_pool2d(fine, 2))
        middle = self.middle(F.max_pool2d(coarse, 2))
        coarse = self.up2(torch.cat((F.interpolate(middle, scale_factor=2), coarse), 1))
        return self.head(self.up1(torch.cat((F.interpolate(coarse, scale_factor=2), fine), 1)))


class Recommender(nn.Module):
    """Log-odds that a user likes an item: embeddings' product, biases and a perceptron. (n, 2) to (n,)."""

    def __init__(self, users: int, items: int, width: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(users, width), nn.Embedding(items, width)
        self.moods, self.fames = nn.Embedding(users, 1), nn.Embedding(items, 1)
        self.perceptron = perceptron(2 * width, 64, 1)
        for table in (self.users, self.items, self.moods, self.fames):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, pairs: Tensor) -> Tensor:
        user, item = self.users(pairs[:, 0]), self.items(pairs[:, 1])
        biases = self.moods(pairs[:, 0]) + self.fames(pairs[:, 1])
        return (self.perceptron(torch.cat((user, item), 1)) + biases).squeeze(1) + (user * item).sum(1)
