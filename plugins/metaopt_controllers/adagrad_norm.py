"""AdaGrad-Norm: one rate for all parameters, by the gradients' norms so far (Ward et al. 2019).

When to use it: with `sgd` on problems whose gradients' size is not known ahead. Its rate only falls; on the tables here
it kept no more of a tuned score than a constant rate did.
"""

from typing import final

import torch

from metaopt import ControllerSpec, Float, Rate, StepInfo, TensorHparams, TensorState


@final
class AdagradNorm:
    """1 / (√G_t + eps), where G_t = initial² + Σ_{i ≤ t} ‖g_i‖².

    A norm that is not finite is left out. State: `squares`, G, 0-d.
    """

    def init(self, hparams: TensorHparams) -> TensorState:
        """State before the first step: no gradients."""
        return {"squares": hparams["initial"].square()}

    def update(self, state: TensorState, info: StepInfo, hparams: TensorHparams) -> tuple[Rate, TensorState]:
        """Update with `info.signals["gradient_norm"]`."""
        square = info.signals["gradient_norm"].to(state["squares"].dtype).square()
        squares = state["squares"] + torch.where(square.isfinite(), square, 0.0)
        return Rate(1 / (squares.sqrt() + hparams["eps"])), {"squares": squares}


ADAGRAD_NORM = ControllerSpec(
    name="adagrad_norm",
    version="1",
    controller=AdagradNorm(),
    cadence="step",
    space={
        "initial": Float(1e-3, 10.0, log=True, default=0.1, valid="[0, inf)"),
        "eps": Float(1e-10, 1e-6, log=True, default=1e-8, valid="(0, inf)"),
    },
    requires=frozenset({"gradient_norm"}),
    proposed=False,
    references=("https://arxiv.org/abs/1806.01811",),
    summary="one over the root of all squared gradient norms so far",
)
