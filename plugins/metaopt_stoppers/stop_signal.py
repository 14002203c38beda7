"""Stop when the learned schedule that steers the training says so.

When to use it: together with the wrapper `learned_schedule` or `hyper_controller`, whose training-loss forecast it
reads. It knows nothing of validation losses.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metaopt import CurveBatch, Float, Int, StopperSpec
from metaopt_stoppers._shared.distinct import exceeds
from metaopt_stoppers._shared.recent import recent_mean


def stop_signal(batch: CurveBatch, hparams: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Fire when the mean of the signal `stop` at the last `window` validations is above `p`.

    The wrappers `learned_schedule` and `hyper_controller` say it: how probable it is that the training loss, which is
    noisy, will be at most 2 % lower at the end (see `benchmarks/stopping/stop_signal.py`). They know nothing of other
    examples, and the metric plays no part: validations only say when to ask. A signal that is NaN or missing is left
    out of the mean; with fewer than `window` validations, or none of them known, it does not fire.

    Args:
        batch: n curves of T validations, with the signal `stop`.
        hparams: `p`, in [0, 1); `window`, at least 1; numbers, or arrays of shape (policies, 1, 1).

    Returns:
        Shape (n, T), or (policies, n, T).
    """
    series = batch.signals.get("stop", np.full(batch.values.shape, np.nan))
    return exceeds(hparams["p"], partial(recent_mean, series), hparams["window"])


STOP_SIGNAL = StopperSpec(
    name="stop_signal",
    version="1",
    fires=stop_signal,
    space={"p": Float(0.5, 0.99, default=0.9, valid="[0, 1)"), "window": Int(1, 10, default=1, valid="[1, inf)")},
    requires=frozenset({"stop"}),
    summary="stop when the learned schedule that steers the training says so",
)
