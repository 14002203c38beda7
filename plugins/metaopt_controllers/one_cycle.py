"""One cycle: up, then down further than it began.

When to use it: for short trainings at a high peak rate, mostly of convolutional networks with `sgd`. It needs the
number of steps.
"""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from metaopt import ControllerSpec, Float, TensorHparams
from metaopt_controllers._shared.open_loop import OpenLoop


def one_cycle(step: Tensor, horizon: Tensor, hparams: TensorHparams) -> Tensor:
    """A half cosine wave from initial_ratio up to 1, reached at step W − 1, and one down to final_ratio.

    W = warmup · horizon. It is torch's `OneCycleLR` without the momentum, with `pct_start = warmup`,
    `div_factor = 1 / initial_ratio` and `final_div_factor = initial_ratio / final_ratio`; the last planned step has
    the final rate.

    Args:
        step: steps completed before this one.
        horizon: planned number of steps; later ones stay at `final_ratio`.
        hparams: `warmup`, share of the horizon spent rising, in [0, 1]; `initial_ratio`, first rate over the peak, in
            (0, 1]; `final_ratio`, rate at the end over the peak, in [0, 1].

    Returns:
        Multiplier of the peak rate.
    """
    initial, final = hparams["initial_ratio"], hparams["final_ratio"]
    turn = hparams["warmup"] * horizon - 1
    up = (1 + (step - turn) / turn.clamp(min=1e-6)).clamp(0.0, 1.0)
    down = ((step - turn) / (horizon - 1 - turn).clamp(min=1e-6)).clamp(0.0, 1.0)
    # Before the turn `down` is 0 and the second factor 1; after it `up` is 1 and the first factor 1.
    rising = 1 - (1 - initial) * (1 + (math.pi * up).cos()) / 2
    falling = final + (1 - final) * (1 + (math.pi * down).cos()) / 2
    return rising * falling


def _plain(hparams: Mapping[str, Any]) -> str:
    return f"""
        turn = {hparams["warmup"]!r} * total_steps - 1
        up = 1 + (step - turn) / max(turn, 1e-6)
        up = min(max(up, 0.0), 1.0)
        down = (step - turn) / max(total_steps - 1 - turn, 1e-6)
        down = min(max(down, 0.0), 1.0)
        rising = 1 - (1 - {hparams["initial_ratio"]!r}) * (1 + math.cos(math.pi * up)) / 2
        falling = {hparams["final_ratio"]!r} + (1 - {hparams["final_ratio"]!r}) * (1 + math.cos(math.pi * down)) / 2
        return rising * falling
    """


ONE_CYCLE = ControllerSpec(
    name="one_cycle",
    version="1",
    controller=OpenLoop("one_cycle", one_cycle),
    space={
        "warmup": Float(0.05, 0.5, default=0.3, valid="[0, 1]"),
        "initial_ratio": Float(1e-3, 0.5, log=True, default=0.04, valid="(0, 1]"),
        "final_ratio": Float(1e-6, 0.1, log=True, default=4e-6, valid="[0, 1]"),
    },
    requires=frozenset({"horizon"}),
    references=("https://arxiv.org/abs/1708.07120",),
    plain=_plain,
    summary="half a cosine wave up, half a wave down",
)
