"""Images: scikit-learn's 8 × 8 handwritten digits, by perceptrons and a small convolutional network."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt_corpora._shared.networks import mlp
from metaopt_corpora._shared.splits import make_splits

FAMILY = "digits"


def tasks() -> list[metaopt.Task]:
    """Wide, deep, normalised, convolutional."""
    flat, images = digits_splits, partial(digits_splits, as_images=True)
    task = partial(metaopt.Task, family=FAMILY, loss=F.cross_entropy, num_validations=15)
    wide = partial(mlp, (64, 32, 10))
    deep = partial(mlp, (64, 24, 24, 24, 10), nn.Tanh)
    normalised = partial(mlp, (64, 24, 24, 10), nn.SiLU, norm=True)
    return [
        task(name="digits_mlp", model=wide, data=flat, batch_size=64, num_steps=300),
        task(name="digits_deep_tanh", model=deep, data=flat, batch_size=32, num_steps=300),
        task(name="digits_layer_norm", model=normalised, data=flat, batch_size=32, num_steps=200),
        task(name="digits_cnn", model=SmallCNN, data=images, batch_size=16, num_steps=150, num_validations=10),
    ]


def digits_splits(*, as_images: bool = False) -> metaopt.Splits:
    """1,097 training, 300 validation, 400 test images of 10 classes, grey levels from -1 to 1.

    Args:
        as_images: inputs of shape (n, 1, 8, 8) instead of (n, 64).
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    inputs = torch.from_numpy(data.data).double() / 8 - 1
    if as_images:
        inputs = inputs.reshape(-1, 1, 8, 8)
    return make_splits(inputs, torch.from_numpy(data.target).long(), (300, 400))


class SmallCNN(nn.Module):
    """Two strided convolutions, then a linear layer: (n, 1, 8, 8) to (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(48, 10),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of the classes."""
        output: torch.Tensor = self.layers(images)
        return output
