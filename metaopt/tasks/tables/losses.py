"""What a table is trained on."""

from collections.abc import Callable
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
    if target.kind == "regression":
        if weights is not None:
            raise InputError(f"{where} is a regression, which has no classes; remove class_weights from corpus.toml.")
        return F.mse_loss
    if weights is None:
        return F.cross_entropy
    if isinstance(weights, str):
        counts = np.bincount(target.values[training], minlength=target.num_outputs)
        values = counts.sum() / (target.num_outputs * np.maximum(counts, 1))
    else:
        if set(weights) != set(target.names):
            raise InputError(
                f"{where} has the classes {listed(target.names)}; class_weights in corpus.toml must have one for each, "
                f"got {listed(weights)}."
            )
        values = np.array([float(weights[name]) for name in target.names])
    return partial(F.cross_entropy, weight=torch.tensor(values, dtype=torch.float32))
