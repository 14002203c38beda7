"""The metric on examples drawn with replacement: how much of a difference between two models the examples make."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

#: Draws of each split. A standard deviation over so many is off by a tenth.
DRAWS = 50


def drawn_rows(num_examples: int) -> Tensor:
    """Examples of each draw, shape (DRAWS, num_examples): the same for all models that see as many examples."""
    generator = torch.Generator().manual_seed(num_examples)
    return torch.randint(num_examples, (DRAWS, num_examples), generator=generator)


def resampled_metric(measure: Callable[[Any, Tensor], Tensor], output: Any, targets: Tensor, rows: Tensor) -> Tensor:
    """The metric of each draw, shape (draws,); NaN where the output is not one row an example, or the metric refuses.

    Args:
        measure: `(output, targets) -> 0-d tensor`.
        output: of a model, for all examples.
        targets: of all examples.
        rows: those of each draw, of shape (draws, examples).
    """
    unknown = torch.full((len(rows),), torch.nan)
    if not isinstance(output, Tensor) or output.ndim == 0 or len(output) != len(targets):
        return unknown
    try:
        return torch.stack([measure(output.index_select(0, draw), targets.index_select(0, draw)) for draw in rows])
    except Exception:  # a stranger's metric, which may want all examples in their order
        return unknown
