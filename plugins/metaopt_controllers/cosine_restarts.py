"""Cosine decay that begins anew several times (SGDR).

When to use it: when good weights are wanted several times within one run, as for ensembles of snapshots. With one use
at the end, `cosine` spends its steps better.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from metaopt import ControllerSpec, Float, Int, TensorHparams, plain_warmup, warmup_multiplier
from metaopt_controllers._shared.open_loop import WARMUP, OpenLoop, plain_progress, progress


def cosine_restarts(step: Tensor, horizon: Tensor, hparams: TensorHparams) -> Tensor:
    """warm-up · (final_ratio + (1 − final_ratio) · (1 + cos πq) / 2), where q runs from 0 to 1 in each cycle.

    Each cycle is `growth` times as long as the one before; together they fill what is left after the warm-up. Without
    warm-up it is torch's `CosineAnnealingWarmRestarts` with `T_mult = growth`, held at the end instead of beginning
    once more.

    Args:
        step: steps completed before this one.
        horizon: planned number of steps; later ones stay at `final_ratio`.
        hparams: `warmup`, share of the horizon, in [0, 1]; `final_ratio`, rate at the end of a cycle over the peak, in
            [0, 1]; `cycles`, at least 1; `growth`, at least 1.

    Returns:
        Multiplier of the peak rate.
    """
    warmup, final, growth = hparams["warmup"], hparams["final_ratio"], hparams["growth"]
    place = progress(step, horizon, warmup)
    # Cycles end at (growth^i − 1) / (growth^cycles − 1); for a growth of 1 that is i / cycles, by the same formulas.
    excess = (growth - 1).clamp_min(1e-9)
    whole = torch.expm1(hparams["cycles"] * torch.log1p(excess))
    cycle = (torch.log1p(place * whole) / torch.log1p(excess) + 1e-6).floor().minimum(hparams["cycles"] - 1)
    begin = torch.expm1(cycle * torch.log1p(excess)) / whole
    end = torch.expm1((cycle + 1) * torch.log1p(excess)) / whole
    inside = ((place - begin) / (end - begin)).clamp(0.0, 1.0)
    return warmup_multiplier(step, horizon, warmup) * (final + (1 - final) * (1 + (math.pi * inside).cos()) / 2)


def _plain(hparams: Mapping[str, Any]) -> str:
    final = hparams["final_ratio"]
    return f"""
        rise = {plain_warmup(hparams["warmup"])}
        progress = {plain_progress(hparams["warmup"])}
        lengths = [{hparams["growth"]!r} ** cycle for cycle in range({hparams["cycles"]!r})]
        ends = [sum(lengths[: cycle + 1]) / sum(lengths) for cycle in range(len(lengths))]
        cycle = min(sum(progress >= end - 1e-9 for end in ends), len(ends) - 1)
        begin = ends[cycle - 1] if cycle else 0.0
        inside = min(max((progress - begin) / (ends[cycle] - begin), 0.0), 1.0)
        return rise * ({final!r} + (1 - {final!r}) * (1 + math.cos(math.pi * inside)) / 2)
    """


COSINE_RESTARTS = ControllerSpec(
    name="cosine_restarts",
    version="1",
    controller=OpenLoop("cosine_restarts", cosine_restarts),
    space={
        "warmup": WARMUP,
        "final_ratio": Float(0.0, 0.3, default=0.0, valid="[0, 1]"),
        "cycles": Int(2, 6, default=3, valid="[1, inf)"),
        "growth": Float(1.0, 3.0, default=2.0, valid="[1, inf)"),
    },
    requires=frozenset({"horizon"}),
    proposed=False,
    references=("https://arxiv.org/abs/1608.03983",),
    plain=_plain,
    summary="cosine decay that begins anew several times",
)
