"""Drawings of characters: an autoencoder, a variational one, and a U-Net that takes noise away."""

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from benchmarks.corpora.ladder.family import Family
from benchmarks.corpora.ladder.images import SIDE, drawings, noise_like
from metaopt_corpora._shared.networks import mlp

PIXELS = SIDE**2
#: Numbers between encoder and decoder, and the noise that a U-Net takes away.
LATENT, NOISE = 8, 0.5


def families(folder: Path) -> list[Family]:
    """Autoencoders by perceptrons, and a U-Net by convolutions."""
    middle = {"width": 64, "batch": 32, "horizon": 300}
    return [
        Family(
            "autoencoder",
            autoencoder,
            partial(copy_splits, folder),
            middle,
            {"width": (4,), "horizon": (4,)},
            loss=F.mse_loss,
        ),
        Family(
            "vae",
            VariationalAutoencoder,
            partial(variational_splits, folder),
            middle,
            {"width": (4,), "batch": (4,)},
            loss=evidence_bound,
        ),
        Family(
            "unet",
            UNet,
            partial(noisy_splits, folder),
            {"width": 8, "batch": 16, "horizon": 150},
            {"width": (2,), "batch": (4,)},
            loss=F.mse_loss,
        ),
    ]


# Autoencoders


def autoencoder(width: int) -> nn.Module:
    """Pixels to pixels through eight numbers."""
    return mlp((PIXELS, width, LATENT, width, PIXELS), nn.Tanh)


class VariationalAutoencoder(nn.Module):
    """Pixels and noise to logits of pixels, means and log variances (Kingma & Welling, arXiv:1312.6114).

    The noise z = μ + σ ε is part of the data, so that a task is the same for every member of a population: inputs
    (n, 256 + 8), outputs (n, 256 + 2 · 8).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = mlp((PIXELS, width, 2 * LATENT))
        self.decoder = mlp((LATENT, width, PIXELS))

    def forward(self, inputs: Tensor) -> Tensor:
        pixels, noise = inputs.split((PIXELS, LATENT), dim=1)
        moments = self.encoder(pixels)
        mean, log_variance = moments.chunk(2, dim=1)
        return torch.cat([self.decoder(mean + torch.exp(log_variance / 2) * noise), moments], dim=1)


def evidence_bound(output: Tensor, targets: Tensor) -> Tensor:
    """The negative evidence lower bound, in nats a pixel: cross-entropy of pixels + ½ Σ (μ² + σ² - log σ² - 1)."""
    logits, mean, log_variance = output.split((PIXELS, LATENT, LATENT), dim=1)
    pixels = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)
    divergence = (mean.square() + torch.exp(log_variance) - log_variance - 1).sum(1) / 2
    return (pixels + divergence).mean() / PIXELS


def copy_splits(folder: Path) -> metaopt.Splits:
    """Pixels as inputs and targets, shape (n, 256)."""
    return metaopt.Splits(*(metaopt.Split(part.flatten(1), part.flatten(1)) for part in drawings(folder)))


def variational_splits(folder: Path) -> metaopt.Splits:
    """Each drawing with four draws of noise to train on, with one to validate and to test."""
    parts = []
    for seed, (images, draws) in enumerate(zip(drawings(folder), (4, 1, 1), strict=True)):
        pixels = images.flatten(1).repeat(draws, 1)
        parts.append(metaopt.Split(torch.cat([pixels, noise_like(pixels, LATENT, seed)], dim=1), pixels))
    return metaopt.Splits(*parts)


# U-Net


def noisy_splits(folder: Path) -> metaopt.Splits:
    """Drawings with noise, and without, shape (n, 1, 16, 16)."""
    parts = []
    for seed, images in enumerate(drawings(folder)):
        noise = noise_like(images, PIXELS, seed).reshape(images.shape)
        parts.append(metaopt.Split(images + NOISE * noise, images))
    return metaopt.Splits(*parts)


class UNet(nn.Module):
    """Down twice, up twice, with a path across at each size (Ronneberger et al., arXiv:1505.04597); 16 × 16 pixels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inward = _convolution(1, width)
        self.down = nn.ModuleList([_convolution(width, 2 * width, 2), _convolution(2 * width, 4 * width, 2)])
        self.up = nn.ModuleList([_convolution(6 * width, 2 * width), _convolution(3 * width, width)])
        self.outward = nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        states = [self.inward(images)]
        for layer in self.down:
            states.append(layer(states[-1]))
        x = states.pop()
        for layer in self.up:
            x = layer(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), states.pop()], dim=1))
        output: Tensor = self.outward(x)
        return output


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(4, outputs), nn.SiLU())
