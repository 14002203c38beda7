"""Linear decay after a warm-up.

When to use it: as `cosine`, from which it differs little: where a published setting asks for it, as for fine-tuning of
language models.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from metaopt import ControllerSpec, Float, TensorHparams, plain_warmup, warmup_multiplier
from metaopt_controllers._shared.open_loop import WARMUP, OpenLoop, plain_progress, progress


def linear(step: Tensor, horizon: Tensor, hparams: TensorHparams) -> Tensor:
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
    return warmup_multiplier(step, horizon, warmup) * decay


def _plain(hparams: Mapping[str, Any]) -> str:
    return f"""
        rise = {plain_warmup(hparams["warmup"])}
        progress = {plain_progress(hparams["warmup"])}
        return rise * (1 - (1 - {hparams["final_ratio"]!r}) * progress)
    """


LINEAR = ControllerSpec(
    name="linear",
    version="1",
    controller=OpenLoop("linear", linear),
    space={"warmup": WARMUP, "final_ratio": Float(0.0, 0.3, default=0.0, valid="[0, 1]")},
    requires=frozenset({"horizon"}),
    references=("https://arxiv.org/abs/2310.07831",),
    plain=_plain,
    summary="linear decay after a linear warm-up",
)
