"""Warm-up, constant rate, cosine decay: the schedule of the learned list of Metz et al. (2020).

When to use it: to run entries of the learned list as its authors did; for anything else take `cosine` or `wsd`, which
do the same with fewer numbers.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from metaopt import ControllerSpec, Float, TensorHparams
from metaopt_controllers._shared.open_loop import OpenLoop


def warmup_hold_cosine(step: Tensor, horizon: Tensor, hparams: TensorHparams) -> Tensor:
    """Rise step / W while step < W, then final_ratio + (1 − final_ratio) · (1 + cos πp) / 2.

    W = min(warmup, hold) · horizon, and p = (step − H) / (horizon − H) with H = hold · horizon, held at 0 before and at
    1 after. This is the TensorFlow original of `opt_list`: with any warm-up, however short, the first step has rate 0
    (the other controllers here begin at 1/W), and the warm-up ends where the hold does at the latest. The PyTorch and
    JAX ports take `max` for `min`, so that they warm up over the whole of the hold. A run of one step has no warm-up
    here; the original would train nothing.

    Args:
        step: steps completed before this one.
        horizon: planned number of steps; later ones stay at `final_ratio`.
        hparams: `warmup` and `hold`, shares of the horizon, in [0, 1], the hold counted from the start; `final_ratio`,
            rate at the end over the peak, in [0, 1].

    Returns:
        Multiplier of the peak rate.
    """
    length, hold = torch.minimum(hparams["warmup"], hparams["hold"]) * horizon, hparams["hold"] * horizon
    progress = ((step - hold) / (horizon - hold).clamp(min=1e-6)).clamp(0.0, 1.0)
    final = hparams["final_ratio"]
    fall = final + (1 - final) * (1 + (math.pi * progress).cos()) / 2
    return torch.where((step < length) & (horizon > 1), step / length.clamp(min=1e-12), fall)


def _plain(hparams: Mapping[str, Any]) -> str:
    warmup, hold, final = (hparams[name] for name in ("warmup", "hold", "final_ratio"))
    return f"""
        if total_steps > 1 and step < {min(warmup, hold)!r} * total_steps:
            return step / ({min(warmup, hold)!r} * total_steps)
        hold = {hold!r} * total_steps
        progress = min(max((step - hold) / max(total_steps - hold, 1e-6), 0.0), 1.0)
        return {final!r} + (1 - {final!r}) * (1 + math.cos(math.pi * progress)) / 2
    """


WARMUP_HOLD_COSINE = ControllerSpec(
    name="warmup_hold_cosine",
    version="1",
    controller=OpenLoop("warmup_hold_cosine", warmup_hold_cosine),
    space={
        "warmup": Float(0.0, 0.1, default=0.0, valid="[0, 1]"),
        "hold": Float(0.0, 1.0, default=0.5, valid="[0, 1]"),
        "final_ratio": Float(0.0, 1.0, default=0.0, valid="[0, 1]"),
    },
    requires=frozenset({"horizon"}),
    proposed=False,
    references=("https://arxiv.org/abs/2002.11887", "https://github.com/google-research/google-research"),
    plain=_plain,
    summary="warm-up, constant rate, cosine decay, as in the learned list of Metz et al.",
)
