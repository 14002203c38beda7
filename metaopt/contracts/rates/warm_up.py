"""A linear warm-up: the one formula of schedules that have one, and of what stands in front of those that have none."""

from typing import Any

from torch import Tensor

from metaopt.contracts.rates.rate_law import ANCHOR


def warmup_multiplier(step: Tensor, horizon: Tensor, warmup: Tensor) -> Tensor:
    """Multiplier of a linear warm-up: min(1, (step + 1) / W), with W = warmup · horizon.

    The first step has rate 1/W, never 0; step W − 1 is the first at the peak. A W below 1 means no warm-up.

    Args:
        step: steps completed before this one.
        horizon: planned number of steps.
        warmup: share of the horizon, in [0, 1].
    """
    return ((step + 1) / (warmup * horizon).clamp(min=1.0)).clamp(max=1.0)


def plain_warmup(warmup: Any) -> str:
    """`warmup_multiplier` as an expression of plain Python."""
    return f"min((step + 1) / max({warmup!r} * total_steps, 1.0), 1.0)"


def warmup_horizon(total_steps: float | None) -> float:
    """The horizon of a warm-up: the planned steps, or the anchor's where they are unknown."""
    return ANCHOR["total_steps"] if total_steps is None else float(total_steps)
