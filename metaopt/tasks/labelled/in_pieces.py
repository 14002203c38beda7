"""A model that is evaluated on a few examples at a time."""

import torch
from torch import Tensor, nn

#: Examples that are evaluated together. What convolutions make of them, for sixteen members side by side, fits caches.
PIECE = 64


class InPieces(nn.Module):
    """A model that answers in evaluation as it would for all examples at once, and never holds what it makes of many.

    Layers of images hold some ten times what the images do: those of a whole validation set, for many members side by
    side, would be gigabytes, and take several times as long. Training batches go through whole.

    Args:
        model: whose answers are a row an example, each by that example alone.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        """What the model makes of inputs of shape (n, …)."""
        if self.training or len(inputs) <= PIECE:
            return self.model(inputs)  # type: ignore[no-any-return]
        return torch.cat([self.model(piece) for piece in inputs.split(PIECE)])
