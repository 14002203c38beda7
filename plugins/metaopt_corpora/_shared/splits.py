"""Training, validation and test rows of a generated or shipped data set."""

import torch
from torch import Tensor

import metaopt

# Numbers are rounded to multiples of this, so that the last bits of a processor's arithmetic do not change a corpus's
# fingerprint, by which stored results are found.
GRID = 2.0**-12


def make_splits(
    inputs: Tensor, targets: Tensor, sizes: tuple[int, int], *, seed: int = 0, scale: bool = False
) -> metaopt.Splits:
    """Shuffle, take validation and test rows, leave the rest to train on.

    Args:
        inputs: float64, shape (n, ...).
        targets: classes, int64, shape (n,), or numbers, float64, shape (n, 1).
        sizes: numbers of validation and of test rows.
        seed: of the shuffling.
        scale: whether to give inputs, and targets that are numbers, zero mean and unit variance over training rows.
    """
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    parts = torch.split(order, [len(order) - sum(sizes), *sizes])
    if scale:
        inputs = standardised(inputs, parts[0])
        targets = standardised(targets, parts[0]) if targets.is_floating_point() else targets
    return metaopt.Splits(*(metaopt.Split(_on_grid(inputs[part]), _on_grid(targets[part])) for part in parts))


def standardised(values: Tensor, training: Tensor) -> Tensor:
    """Zero mean and unit variance, of each column, over training rows; constant columns become zero."""
    known = values[training]
    spread = known.std(dim=0, correction=0)
    return (values - known.mean(dim=0)) / torch.where(spread > 0, spread, torch.ones_like(spread))


def _on_grid(values: Tensor) -> Tensor:
    return (torch.round(values / GRID) * GRID).float() if values.is_floating_point() else values
