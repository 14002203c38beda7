"""The model of a folder of images that names none: a few convolutions that halve the image, a linear layer."""

import torch.nn.functional as F
from torch import Tensor, nn

#: Channels of the first convolution; each further one has twice as many, up to four times.
WIDTH = 8
#: Images are halved until their longer side is no longer than this.
SMALLEST = 4
#: Halvings at most.
_MOST = 6


class ConvNet(nn.Module):
    """A 5×5 convolution and then 2×2 ones, each with ReLU and halving the image, and a linear layer over what is left.

    Without batch norm and dropout: many members of it train side by side.

    Args:
        shape: of an image: channels, height, width.
        num_classes: outputs.
        width: by how much convolutions are wider than 8, 16 and 32 channels.
    """

    def __init__(self, shape: tuple[int, int, int], num_classes: int, width: float = 1.0) -> None:
        super().__init__()
        channels, *sides = shape
        layers: list[nn.Conv2d] = []
        while not layers or (max(sides) > SMALLEST and len(layers) < _MOST):
            outputs = round(width * WIDTH * min(2 ** len(layers), 4))
            size = 2 if layers else 5
            # An image of odd height or width is padded, so that no row is lost.
            padding = (sides[0] % 2, sides[1] % 2) if layers else (2, 2)
            layers.append(nn.Conv2d(channels, outputs, size, stride=2, padding=padding))
            sides = [(side + 2 * pad - size) // 2 + 1 for side, pad in zip(sides, padding, strict=True)]
            channels = outputs
        self.convolutions = nn.ModuleList(layers)
        self.head = nn.Linear(channels * sides[0] * sides[1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, num_classes), of images of shape (n, *shape)."""
        for convolution in self.convolutions:
            images = F.relu(convolution(images))
        return self.head(images.flatten(1))  # type: ignore[no-any-return]
