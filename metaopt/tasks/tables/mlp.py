"""The model of a table that names none."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

WIDTH = 64

#: Numbers that a category of so many values or more becomes.
WIDEST_EMBEDDING = 50

#: Where a category stands among the inputs: the first of its one-hot columns, and how many.
Place = tuple[int, int]


def mlp(num_inputs: int, num_outputs: int, width: float = 1.0) -> nn.Module:
    """Two hidden layers of 64 ReLU units.

    Args:
        num_inputs: width of the inputs, shape (n, num_inputs).
        num_outputs: width of the output, shape (n, num_outputs): classes, or 1.
        width: by how much the hidden layers are wider than 64.
    """
    hidden = round(width * WIDTH)
    return nn.Sequential(
        nn.Linear(num_inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, num_outputs)
    )


def embedding_mlp(places: Sequence[Place], num_inputs: int, num_outputs: int, width: float = 1.0) -> nn.Module:
    """The same behind an embedding a category.

    Args:
        places: of the categories among the inputs.
        num_inputs: see `mlp`.
        num_outputs: see `mlp`.
        width: see `mlp`.
    """
    embedded = CategoryEmbeddings(places, num_inputs)
    return nn.Sequential(embedded, *mlp(embedded.num_outputs, num_outputs, width).children())


class CategoryEmbeddings(nn.Module):
    """One-hot columns of each category of `v` values as min(50, ⌈v/2⌉) learned numbers; other inputs pass.

    An embedding is a matrix product with one-hot rows, and is computed as one: it needs no indices, so that a
    population of models embeds at once.

    Args:
        places: of the categories, which do not overlap.
        num_inputs: width of the inputs, shape (n, num_inputs).

    Attributes:
        num_outputs: width of the output, shape (n, num_outputs): other inputs first, in their order.
    """

    def __init__(self, places: Sequence[Place], num_inputs: int) -> None:
        super().__init__()
        self._places = tuple(places)
        self._others = _between(self._places, num_inputs)
        sizes = [min(WIDEST_EMBEDDING, (count + 1) // 2) for _, count in self._places]
        self.tables = nn.ModuleList(
            nn.Linear(count, size, bias=False) for (_, count), size in zip(self._places, sizes, strict=True)
        )
        self.num_outputs = sum(sizes) + sum(count for _, count in self._others)

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs, shape (n, num_inputs), with categories embedded."""
        parts = [inputs[..., start : start + count] for start, count in self._others]
        for (start, count), table in zip(self._places, self.tables, strict=True):
            parts.append(table(inputs[..., start : start + count]))
        return torch.cat(parts, -1)


def _between(places: Sequence[Place], num_inputs: int) -> tuple[Place, ...]:
    """Where the inputs stand that belong to no category."""
    gaps, end = [], 0
    for start, count in [*sorted(places), (num_inputs, 0)]:
        if start > end:
            gaps.append((end, start - end))
        end = start + count
    return tuple(gaps)
