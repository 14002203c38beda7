"""Stop when a number of steps is spent.

When to use it: to train a share of the planned steps, or beside others in `any`, so that a run ends in any case.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaopt import CurveBatch, Float, Int, StopperSpec


def budget(batch: CurveBatch, hparams: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Fire at the first validation after `fraction` of the horizon, or after `max_steps`, whatever comes first.

    The metric plays no part. Where the horizon is unknown only `max_steps` counts.

    Args:
        batch: n curves of T validations.
        hparams: `fraction` of the horizon, above 0; `max_steps`, where 0 stands for no limit. Numbers, or arrays of
            shape (policies, 1, 1).

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    max_steps = np.asarray(hparams["max_steps"], dtype=np.float64)
    # Rounding must not cost a validation: 0.07 * 100 is a little more than 7.
    by_fraction = np.asarray(hparams["fraction"], dtype=np.float64) * batch.horizon * (1 - 1e-9)
    limit = np.minimum(by_fraction, np.where(max_steps > 0, max_steps, np.inf))
    fired: NDArray[np.bool_] = batch.steps >= limit
    return fired


BUDGET = StopperSpec(
    name="budget",
    version="1",
    fires=budget,
    space={
        # How much may be spent is for people to say; steps mean something else on each task. Tuning leaves both alone.
        "fraction": Float(1.0, 1.0, default=1.0, valid="(0, inf)"),
        "max_steps": Int(0, 0, default=0, valid="[0, inf)"),
    },
    summary="stop after a share of the horizon or a number of steps",
)
