"""Polyak's rate, from the loss and the gradient's norm (Loizou et al. 2021).

When to use it: with `sgd` on models that can fit their training data nearly perfectly: it then needs no base rate.
Elsewhere the loss does not go to zero, and its rates are too high.
"""

from typing import final

import torch

from metaopt import ControllerSpec, Float, Rate, StepInfo, TensorHparams, TensorState


@final
class Polyak:
    """min((f_t − lowest) / (c · ‖g_t‖² + eps), cap_t), in place of the optimizer's `lr`: SPS_max of the authors.

    f_t is the batch's training loss, `lowest` what it could reach. cap_0 = cap; later caps are `growth` times the last
    rate, so that a small gradient alone does not throw the weights away; 0 for a cap of `cap` throughout. Where loss or
    norm are not finite, or the loss is below `lowest`, the rate is 0. State: `last`, the last rate, 0-d.
    """

    def init(self, hparams: TensorHparams) -> TensorState:
        """State before the first step."""
        return {"last": torch.full_like(hparams["cap"], -1.0)}

    def update(self, state: TensorState, info: StepInfo, hparams: TensorHparams) -> tuple[Rate, TensorState]:
        """Update with `info.loss` and `info.signals["gradient_norm"]`."""
        assert info.loss is not None
        like = state["last"]
        loss, norm = info.loss.to(like.dtype), info.signals["gradient_norm"].to(like.dtype)
        known = loss.isfinite() & norm.isfinite()
        gap = torch.where(known, loss - hparams["lowest"], 0.0).clamp_min(0.0)
        square = torch.where(known, norm, 0.0).square()
        grown = torch.where((state["last"] > 0) & (hparams["growth"] > 0), hparams["growth"] * state["last"], torch.inf)
        rate = (gap / (hparams["c"] * square + hparams["eps"])).minimum(hparams["cap"]).minimum(grown)
        return Rate(rate, absolute=True), {"last": torch.where(rate > 0, rate, state["last"])}


POLYAK = ControllerSpec(
    name="polyak",
    version="1",
    controller=Polyak(),
    cadence="step",
    absolute=True,
    space={
        "lowest": Float(0.0, 0.0, default=0.0, valid="(-inf, inf)"),
        "c": Float(0.2, 2.0, log=True, default=0.5, valid="(0, inf)"),
        "cap": Float(1e-3, 10.0, log=True, default=1.0, valid="(0, inf)"),
        "growth": Float(1.01, 2.0, default=2.0, valid="[0, inf)"),
        "eps": Float(1e-10, 1e-6, log=True, default=1e-8, valid="(0, inf)"),
    },
    requires=frozenset({"loss", "gradient_norm"}),
    proposed=False,
    references=("https://arxiv.org/abs/2002.10542",),
    summary="the loss over the squared gradient norm, for plain gradient descent",
)
