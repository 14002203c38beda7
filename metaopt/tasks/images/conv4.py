"""The convolutional network of the few-shot papers: four blocks, a linear layer."""

from torch import Tensor, nn


class Conv4(nn.Module):
    """Four blocks of 3×3 convolution, batch norm, ReLU and halving, the mean over the image, a linear layer.

    Args:
        num_classes: outputs.
        channels: of the images.
        width: of each block; 64 for Omniglot, 32 for larger images, as in the papers.
        strided: halve by the convolution's stride, as MAML does on Omniglot; by max pooling otherwise.
    """

    def __init__(self, num_classes: int, channels: int = 1, width: int = 64, strided: bool = True) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs in (channels, width, width, width):
            blocks.append(nn.Conv2d(inputs, width, 3, stride=2 if strided else 1, padding=1))
            blocks.append(nn.BatchNorm2d(width))
            blocks.append(nn.ReLU())
            if not strided:
                blocks.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*blocks)
        self.head = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, shape (n, num_classes), of images of shape (n, channels, height, width), at least 16 wide."""
        return self.head(self.features(images).mean(dim=(2, 3)))  # type: ignore[no-any-return]
