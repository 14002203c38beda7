"""Linear decay after a warm-up."""

from collections.abc import Mapping

from torch import Tensor

from metaopt import ControllerSpec, Float
from metaopt_controllers.open_loop import OpenLoop
from metaopt_controllers.warmup import WARMUP, progress, rise


def linear(step: Tensor, horizon: Tensor, hparams: Mapping[str, Tensor]) -> Tensor:
    """warm-up · (1 − (1 − final_ratio) · p), where p runs from 0 to 1 after the warm-up.

    Args:
        step: steps completed before this one.
        horizon: planned number of steps; later ones stay at `final_ratio`.
        hparams: `warmup`, share of the horizon, in [0, 1]; `final_ratio`, rate at the end over the peak, in [0, 1].

    Returns:
        Multiplier of the peak rate.
    """
    warmup = hparams["warmup"]
    decay = 1 - (1 - hparams["final_ratio"]) * progress(step, horizon, warmup)
    return rise(step, horizon, warmup) * decay


LINEAR = ControllerSpec(
    name="linear",
    version="1",
    controller=OpenLoop("linear", linear),
    space={"warmup": WARMUP, "final_ratio": Float(0.0, 0.3, default=0.0, valid="[0, 1]")},
    requires=frozenset({"horizon"}),
    references=("https://arxiv.org/abs/2310.07831",),
    summary="linear decay after a linear warm-up",
)
