"""Compare a quantity of each curve with thresholds, evaluating it once however many policies share its settings."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def exceeds(threshold: Any, quantity: Callable[..., NDArray[np.float64]], *settings: Any) -> NDArray[np.bool_]:
    """`quantity(*settings) > threshold` for each policy.

    Args:
        threshold: a number, or an array of shape (policies, 1, 1).
        quantity: from one number for each of `settings` to an array of shape (n, T).
        *settings: numbers, or arrays of shape (policies, 1, 1), of few distinct combinations.

    Returns:
        Shape (n, T) if all arguments are numbers, otherwise (policies, n, T).
    """
    limits, *columns = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (threshold, *settings)))
    if limits.ndim == 0:
        return np.asarray(quantity(*columns) > limits)
    combinations = np.stack([column.reshape(-1) for column in columns], axis=-1)
    distinct, inverse = np.unique(combinations, axis=0, return_inverse=True)
    rows = [np.flatnonzero(inverse.reshape(-1) == index) for index in range(len(distinct))]
    quantities = [quantity(*combination) for combination in distinct]
    fired = np.empty((limits.size, *quantities[0].shape), dtype=np.bool_)
    for row, series in zip(rows, quantities, strict=True):
        fired[row] = series > limits.reshape(-1, 1, 1)[row]
    return fired
