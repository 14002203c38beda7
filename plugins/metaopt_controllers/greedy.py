"""Raise the rate while the loss improves, lower it while it does not: GreedyLR, with factors of either kind.

When to use it: when the good rate changes during a run or is not known within a factor of ten, and the training loss is
smooth enough to be compared from step to step. It looks at the loss alone, so it knows nothing of overfitting.
"""

from typing import final

import torch

from metaopt import ControllerSpec, Float, Int, Rate, StepInfo, TensorHparams, TensorState


@final
class Greedy:
    """The rate is multiplied by `up` after more than `patience` improvements in a row, by `down` after as many others.

    At each step the training loss, averaged as s_t = smoothing·s_{t−1} + (1 − smoothing)·f_t with bias correction, is
    an improvement if it is below best − threshold·|best|, where best is the lowest so far. The rate stays between
    `min_ratio` and `max_ratio`. A loss that is not finite is a failure and leaves the average as it is.

    State, 0-d: `ratio`, the rate; `mean` and `weight`, of the average; `best`; `good` and `bad`, in a row.
    """

    def init(self, hparams: TensorHparams) -> TensorState:
        """State before the first step: rate 1, no loss."""
        zero = torch.zeros_like(hparams["up"])
        return {
            "ratio": zero + 1,
            "mean": zero,
            "weight": zero.clone(),
            "best": zero + torch.inf,
            "good": zero.clone(),
            "bad": zero.clone(),
        }

    def update(self, state: TensorState, info: StepInfo, hparams: TensorHparams) -> tuple[Rate, TensorState]:
        """Update with `info.loss`."""
        assert info.loss is not None
        loss, keep = info.loss.to(state["mean"].dtype), hparams["smoothing"]
        known = loss.isfinite()
        mean = torch.where(known, keep * state["mean"] + (1 - keep) * torch.where(known, loss, 0.0), state["mean"])
        weight = torch.where(known, keep * state["weight"] + (1 - keep), state["weight"])
        smooth = mean / weight.clamp_min(1e-12)
        best, size = state["best"], torch.where(state["best"].isfinite(), state["best"].abs(), 0.0)
        improved = known & (smooth < best - hparams["threshold"] * size)
        good = torch.where(improved, state["good"] + 1, 0.0)
        bad = torch.where(improved, 0.0, state["bad"] + 1)
        up, down = good > hparams["patience"], bad > hparams["patience"]
        ratio = state["ratio"] * torch.where(up, hparams["up"], torch.where(down, hparams["down"], 1.0))
        ratio = ratio.maximum(hparams["min_ratio"]).minimum(hparams["max_ratio"])
        return Rate(ratio), {
            "ratio": ratio,
            "mean": mean,
            "weight": weight,
            "best": torch.where(improved, smooth, best),
            "good": torch.where(up, 0.0, good),
            "bad": torch.where(down, 0.0, bad),
        }


GREEDY = ControllerSpec(
    name="greedy",
    version="1",
    controller=Greedy(),
    cadence="step",
    space={
        "up": Float(1.01, 2.0, log=True, default=1.1, valid="[1, inf)"),
        "down": Float(0.5, 0.99, default=0.9, valid="(0, 1]"),
        "patience": Int(0, 20, default=5, valid="[0, inf)"),
        "threshold": Float(1e-6, 1e-2, log=True, default=1e-4, valid="[0, inf)"),
        "smoothing": Float(0.0, 0.95, default=0.9, valid="[0, 1)"),
        "min_ratio": Float(1e-4, 0.1, log=True, default=1e-3, valid="(0, 1]"),
        "max_ratio": Float(1.0, 100.0, log=True, default=10.0, valid="[1, inf)"),
    },
    requires=frozenset({"loss"}),
    proposed=False,
    references=("https://github.com/huggingface/transformers/pull/44271",),
    summary="up while the loss improves, down while it does not",
)
