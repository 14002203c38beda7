"""Hypergradient descent on the rate, multiplicative and by angles alone (Baydin et al. 2018).

When to use it: when the base rate is roughly right and shall be corrected on the way; its bounds `min_ratio` and
`max_ratio` say how far. Noisy gradients, as of small batches, agree by chance and teach it little.
"""

from typing import final

import torch

from metaopt import ControllerSpec, Float, Rate, StepInfo, TensorHparams, TensorState


@final
class Hypergradient:
    """rate_t = rate_{t−1} · (1 − κ · cos(g_t, u_{t−1})), between `min_ratio` and `max_ratio`.

    u is the last update. Where the gradient still points against it the last step was too short, and the rate rises.
    The first step, a step after none was taken and one whose gradient is not finite change nothing. State: `ratio`, the
    rate, 0-d.
    """

    def init(self, hparams: TensorHparams) -> TensorState:
        """State before the first step: rate 1."""
        return {"ratio": torch.ones_like(hparams["kappa"])}

    def update(self, state: TensorState, info: StepInfo, hparams: TensorHparams) -> tuple[Rate, TensorState]:
        """Update with `info.signals["agreement"]`."""
        agreement = info.signals["agreement"].to(state["ratio"].dtype)
        agreement = torch.where(agreement.isfinite(), agreement, 0.0).clamp(-1.0, 1.0)
        ratio = state["ratio"] * (1 - hparams["kappa"] * agreement)
        ratio = ratio.maximum(hparams["min_ratio"]).minimum(hparams["max_ratio"])
        return Rate(ratio), {"ratio": ratio}


HYPERGRADIENT = ControllerSpec(
    name="hypergradient",
    version="1",
    controller=Hypergradient(),
    cadence="step",
    space={
        "kappa": Float(1e-3, 0.3, log=True, default=0.02, valid="[0, 1)"),
        "min_ratio": Float(1e-4, 0.1, log=True, default=1e-3, valid="(0, 1]"),
        "max_ratio": Float(1.0, 100.0, log=True, default=10.0, valid="[1, inf)"),
    },
    requires=frozenset({"agreement"}),
    proposed=False,
    references=("https://arxiv.org/abs/1703.04782",),
    summary="up while steps agree with gradients, down while they overshoot",
)
