"""Cosine decay after a warm-up.

When to use it: as the usual choice where the number of steps is known: it spends much of the run at a high rate and
ends near zero.
"""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from metaopt import ControllerSpec, Float, TensorHparams, plain_warmup, warmup_multiplier
from metaopt_controllers._shared.open_loop import WARMUP, OpenLoop, plain_progress, progress


def cosine(step: Tensor, horizon: Tensor, hparams: TensorHparams) -> Tensor:
    """warm-up · (final_ratio + (1 − final_ratio) · (1 + cos πp) / 2), where p runs from 0 to 1 after the warm-up.

    Without warm-up it is torch's `CosineAnnealingLR` with `T_max` the horizon, held at the end instead of rising again.

    Args:
        step: steps completed before this one.
        horizon: planned number of steps; later ones stay at `final_ratio`.
        hparams: `warmup`, share of the horizon, in [0, 1]; `final_ratio`, rate at the end over the peak, in [0, 1].

    Returns:
        Multiplier of the peak rate.
    """
    warmup, final = hparams["warmup"], hparams["final_ratio"]
    half_wave = (1 + (math.pi * progress(step, horizon, warmup)).cos()) / 2
    return warmup_multiplier(step, horizon, warmup) * (final + (1 - final) * half_wave)


def _plain(hparams: Mapping[str, Any]) -> str:
    return f"""
        rise = {plain_warmup(hparams["warmup"])}
        progress = {plain_progress(hparams["warmup"])}
        half_wave = (1 + math.cos(math.pi * progress)) / 2
        return rise * ({hparams["final_ratio"]!r} + (1 - {hparams["final_ratio"]!r}) * half_wave)
    """


COSINE = ControllerSpec(
    name="cosine",
    version="1",
    controller=OpenLoop("cosine", cosine),
    space={"warmup": WARMUP, "final_ratio": Float(0.0, 0.3, default=0.0, valid="[0, 1]")},
    requires=frozenset({"horizon"}),
    references=("https://arxiv.org/abs/1608.03983",),
    plain=_plain,
    summary="cosine decay after a linear warm-up",
)
