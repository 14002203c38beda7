"""Running means over the latest validations."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


def recent_mean(series: NDArray[np.float64], window: float) -> NDArray[np.float64]:
    """Mean of the known values among the last `window` entries, shape (n, T); NaN where none is known."""
    width = min(int(window), series.shape[1] + 1)
    means = np.full(series.shape, np.nan)
    if width <= series.shape[1]:
        recent = sliding_window_view(series, width, axis=1)
        known = ~np.isnan(recent)
        with np.errstate(invalid="ignore"):
            means[:, width - 1 :] = np.where(known, recent, 0.0).sum(-1) / known.sum(-1)
    return means
