"""Lower the rate when validation stops improving.

When to use it: when the number of steps is open and there is a validation metric to listen to: call
`run.observe(value)` or `scheduler.observe(value)` after each validation.
"""

from collections.abc import Mapping
from typing import Any, final

import torch

from metaopt import Categorical, ControllerSpec, Float, Int, Rate, StepInfo, TensorHparams, TensorState

_MODES = ("rel", "abs")


@final
class Plateau:
    """torch's `ReduceLROnPlateau`, asked after each validation; the rate is 1 before the first.

    A metric m improves on the best b if m < b − threshold · |b| (`rel`) or m < b − threshold (`abs`). Thanks to |b| a
    relative threshold asks for an improvement of negative metrics too, where torch's b · (1 − threshold) lets a worse
    value pass. After more than `patience` validations without improvement the rate is multiplied by `factor`, down to
    `min_ratio`; then `cooldown` validations do not count. A NaN or infinite metric is no improvement.

    State: `ratio`, the rate; `limit`, what the next improvement must be below; `waited`, validations without
    improvement; `cooling`, validations of the cooldown left. All 0-d, in the dtype of the hyperparameters.
    """

    def init(self, hparams: TensorHparams) -> TensorState:
        """State before the first validation: rate 1, no metric."""
        like = hparams["factor"]
        return {
            "ratio": torch.ones_like(like),
            "limit": torch.full_like(like, torch.inf),
            "waited": torch.zeros_like(like),
            "cooling": torch.zeros_like(like),
        }

    def update(self, state: TensorState, info: StepInfo, hparams: TensorHparams) -> tuple[Rate, TensorState]:
        """Update with the validation in `info.signals["metric"]`, where lower is better."""
        metric = info.signals["metric"].to(state["limit"].dtype)
        improved = (metric < state["limit"]) & metric.isfinite()
        scale = torch.where(hparams["threshold_mode"] == _MODES.index("rel"), metric.abs(), 1.0)
        limit = torch.where(improved, metric - hparams["threshold"] * scale, state["limit"])

        cooling = state["cooling"]
        waited = torch.where(improved | (cooling > 0), 0.0, state["waited"] + 1)
        lower = waited > hparams["patience"]
        lowered = torch.maximum(state["ratio"] * hparams["factor"], hparams["min_ratio"])
        # A rate that started below min_ratio is not raised to it.
        ratio = torch.where(lower, torch.minimum(lowered, state["ratio"]), state["ratio"])
        return Rate(ratio), {
            "ratio": ratio,
            "limit": limit,
            "waited": torch.where(lower, 0.0, waited),
            "cooling": torch.where(lower, hparams["cooldown"], (cooling - 1).clamp(min=0.0)),
        }


def _plain(hparams: Mapping[str, Any]) -> str:
    note = "  # for metrics above 0: below, torch's relative threshold takes worse values for better ones"
    return f"""
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer,
            factor={hparams["factor"]!r},
            patience={hparams["patience"]!r},
            threshold={hparams["threshold"]!r},
            threshold_mode={hparams["threshold_mode"]!r},{note if hparams["threshold_mode"] == "rel" else ""}
            cooldown={hparams["cooldown"]!r},
            min_lr=[{hparams["min_ratio"]!r} * group["lr"] for group in optimizer.param_groups],
            eps=0.0,
        )
    """


PLATEAU = ControllerSpec(
    name="plateau",
    version="1",
    controller=Plateau(),
    cadence="validation",
    space={
        "factor": Float(0.1, 0.9, default=0.1, valid="(0, 1)"),
        "patience": Int(1, 20, log=True, default=10, valid="[0, inf)"),
        "threshold": Float(1e-6, 1e-2, log=True, default=1e-4, valid="[0, inf)"),
        "threshold_mode": Categorical(_MODES, default="rel"),
        "cooldown": Int(0, 5, default=0, valid="[0, inf)"),
        "min_ratio": Float(1e-6, 0.1, log=True, default=1e-6, valid="[0, 1]"),
    },
    requires=frozenset({"metric"}),
    references=("https://pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html",),
    plain=_plain,
    summary="lower the rate when validation stops improving",
)
