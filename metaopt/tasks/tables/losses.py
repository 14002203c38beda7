"""What a table is trained on."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from metaopt.errors import InputError, listed
from metaopt.tasks.tables.division import CheckedTable
from metaopt.tasks.tables.settings import TableSettings


def loss_of(
    table: CheckedTable, training: NDArray[np.int64], settings: TableSettings, where: str
) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy, with a weight a class where the settings say so, or the mean squared error.

    `"balanced"` weighs each class by rows / (classes · rows of the class), counted over training rows.

    Args:
        table: a checked one.
        training: which rows train.
        settings: what `corpus.toml` says.
        where: the file, for messages.

    Raises:
        InputError: weights are given for a regression, or not for exactly the classes that there are.
    """
    target, weights = table.target, settings.class_weights
    if target.kind == "classification":
        return class_loss(target.values, target.names, training, weights, where)
    if weights is not None:
        raise InputError(f"{where} is a regression, which has no classes; remove class_weights from corpus.toml.")
    return F.mse_loss


def class_loss(
    classes: NDArray[np.int64],
    names: Sequence[str],
    training: NDArray[np.int64],
    weights: "str | Mapping[str, float] | None",
    where: str,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy, with a weight a class where somebody says so; see `loss_of`.

    Args:
        classes: of all rows, 0, 1, …, shape (n,).
        names: of the classes.
        training: the rows that train.
        weights: `"balanced"`, a weight a class, or None.
        where: the file or folder, for messages.

    Raises:
        InputError: weights are not for exactly the classes that there are.
    """
    if weights is None:
        return F.cross_entropy
    if isinstance(weights, str):
        counts = np.bincount(classes[training], minlength=len(names))
        values = counts.sum() / (len(names) * np.maximum(counts, 1))
    else:
        if set(weights) != set(names):
            raise InputError(
                f"{where} has the classes {listed(names)}; class_weights in corpus.toml must have one for each, got "
                f"{listed(weights)}."
            )
        values = np.array([float(weights[name]) for name in names])
    return partial(F.cross_entropy, weight=torch.tensor(values, dtype=torch.float32))
