"""A constant rate, after a warm-up.

When to use it: with rules that need no decay, such as `schedulefree_adamw` and those in the wrapper `averaged`, and
wherever the length of the training is unknown.
"""

from collections.abc import Mapping
from typing import Any, final

import torch

from metaopt import (
    ControllerSpec,
    Float,
    Rate,
    StepInfo,
    TensorHparams,
    TensorState,
    When,
    plain_warmup,
    warmup_multiplier,
)


@final
class Constant:
    """min(1, (step + 1) / (warmup · horizon)).

    It is the one schedule that works without a horizon. A warm-up is a share of the horizon, so where that is unknown
    there is none; the spec requires the horizon as soon as `warmup` is above 0.
    """

    def init(self, hparams: TensorHparams) -> TensorState:
        """An empty state."""
        return {}

    def update(self, state: TensorState, info: StepInfo, hparams: TensorHparams) -> tuple[Rate, TensorState]:
        """The multiplier at `info.step`."""
        if info.horizon is None:
            return Rate(torch.ones_like(hparams["warmup"])), state
        return Rate(warmup_multiplier(info.step, info.horizon, hparams["warmup"])), state


def _plain(hparams: Mapping[str, Any]) -> str:
    if not hparams["warmup"]:
        return "return 1.0"
    return f"return {plain_warmup(hparams['warmup'])}"


CONSTANT = ControllerSpec(
    name="constant",
    version="1",
    controller=Constant(),
    space={"warmup": Float(0.0, 0.2, default=0.0, valid="[0, 1]")},
    requires_when={"horizon": When("warmup", above=0.0)},
    plain=_plain,
    summary="constant rate after a linear warm-up",
)
