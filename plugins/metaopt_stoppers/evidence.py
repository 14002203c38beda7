"""Stop without a validation set, once gradients are no larger than their noise.

When to use it: when there are too few examples for a validation set. It wants large batches to be sure, and stops where
the gradient is noise, which is not quite where test error is lowest.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaopt import CurveBatch, Int, StopperSpec
from metaopt_stoppers._shared.distinct import exceeds
from metaopt_stoppers._shared.recent import recent_mean


def evidence(batch: CurveBatch, hparams: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Fire when the mean of the signal `evidence` at the last `window` validations is above 0.

    The signal is 1 − (B/D) · Σ g²/Var(g), with a mini-batch's gradient g of B examples, the variance of single
    examples' gradients, and D parameters, by Mahsereci et al. (2017): above 0 where the gradient is smaller than
    noise alone makes it on average. `metaopt.gradient_evidence` and `metaopt.MicroBatches` compute it, and the metric
    plays no part: without a validation set, call `run.observe(math.nan, evidence=...)`, and the last weights are the
    ones to keep. Values from a few dozen examples have a long tail below 0 and want a window of 1; from hundreds, 3 or
    more say it more surely. A signal that is NaN or missing is left out of the mean; with fewer than `window`
    validations, or none of them known, it does not fire.

    Args:
        batch: n curves of T validations, with the signal `evidence`.
        hparams: `window`, at least 1; a number, or an array of shape (policies, 1, 1).

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    series = batch.signals.get("evidence", np.full(batch.values.shape, np.nan))
    return exceeds(0.0, partial(recent_mean, series), hparams["window"])


EVIDENCE = StopperSpec(
    name="evidence",
    version="1",
    fires=evidence,
    space={"window": Int(1, 10, default=3, valid="[1, inf)")},
    requires=frozenset({"evidence"}),
    references=("https://arxiv.org/abs/1703.09580",),
    summary="stop once gradients are no larger than their noise; needs no validation set",
)
