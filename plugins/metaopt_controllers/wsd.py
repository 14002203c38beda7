"""Warm-up, stable, decay.

When to use it: when the run may be continued later, or several lengths shall share their first part: only the last part
of the steps decays.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from metaopt import Categorical, ControllerSpec, Float, TensorHparams, plain_warmup, warmup_multiplier
from metaopt_controllers._shared.open_loop import WARMUP, OpenLoop

_SHAPES = ("linear", "1-sqrt")


def wsd(step: Tensor, horizon: Tensor, hparams: TensorHparams) -> Tensor:
    """warm-up · (1 − (1 − final_ratio) · s), where s is q or √q, and q runs from 0 to 1 in the last part of the plan.

    q = (step − (1 − decay) · horizon) / (decay · horizon). Where warm-up and decay overlap, their multipliers multiply.

    Args:
        step: steps completed before this one.
        horizon: planned number of steps; later ones stay at `final_ratio`.
        hparams: `warmup`, share of the horizon, in [0, 1]; `decay`, share of the horizon, in (0, 1]; `shape`, 0 for
            `linear` and 1 for `1-sqrt`; `final_ratio`, rate at the end over the peak, in [0, 1].

    Returns:
        Multiplier of the peak rate.
    """
    length = hparams["decay"] * horizon
    # The smallest q is not 0, because the root's slope there is infinite; in the sum below its root vanishes.
    q = (1 - (horizon - step) / length).clamp(1e-36, 1.0)
    fall = torch.where(hparams["shape"] == _SHAPES.index("linear"), q, q.sqrt())
    return warmup_multiplier(step, horizon, hparams["warmup"]) * (1 - (1 - hparams["final_ratio"]) * fall)


def _plain(hparams: Mapping[str, Any]) -> str:
    fall = "q" if hparams["shape"] == "linear" else "math.sqrt(q)"
    return f"""
        rise = {plain_warmup(hparams["warmup"])}
        q = 1 - (total_steps - step) / ({hparams["decay"]!r} * total_steps)
        q = min(max(q, 0.0), 1.0)
        return rise * (1 - (1 - {hparams["final_ratio"]!r}) * {fall})
    """


WSD = ControllerSpec(
    name="wsd",
    version="1",
    controller=OpenLoop("wsd", wsd),
    space={
        "warmup": WARMUP,
        "decay": Float(0.05, 0.6, default=0.2, valid="(0, 1]"),
        "shape": Categorical(_SHAPES, default="1-sqrt"),
        "final_ratio": Float(0.0, 0.1, default=0.0, valid="[0, 1]"),
    },
    requires=frozenset({"horizon"}),
    references=("https://arxiv.org/abs/2404.06395", "https://arxiv.org/abs/2405.18392"),
    plain=_plain,
    summary="warm-up, constant rate, decay in the last part",
)
