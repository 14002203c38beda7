"""Stop when the metric is good enough.

When to use it: when a known quality is enough, as in benchmarks of time to a target.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaopt import CurveBatch, Float, StopperSpec


def target(batch: CurveBatch, hparams: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Fire when the metric reaches `target`: value ≤ target where lower is better, value ≥ target where higher is.

    A NaN reaches nothing.

    Args:
        batch: n curves of T validations.
        hparams: `target`, in the metric's own units and orientation; a number, or an array of shape (policies, 1, 1).

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    fired: NDArray[np.bool_] = batch.values <= batch.sign * np.asarray(hparams["target"], dtype=np.float64)
    return fired


TARGET = StopperSpec(
    name="target",
    version="1",
    fires=target,
    # Units differ from task to task, so tuning leaves it alone.
    space={"target": Float(0.0, 0.0, default=0.0, valid="(-inf, inf)")},
    summary="stop when the metric reaches a value",
)
