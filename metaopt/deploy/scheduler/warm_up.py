"""A warm-up in front of a controller that has none of its own."""

import math
from typing import final

import torch

from metaopt.contracts import warmup_horizon, warmup_multiplier


@final
class WarmUp:
    """Multipliers of the first steps; see `metaopt.warmup_multiplier`.

    Args:
        share: of the planned steps; 0 for none.
        total_steps: planned number of steps, or None.
    """

    def __init__(self, share: float, total_steps: int | None) -> None:
        self.share = float(share)
        horizon = warmup_horizon(total_steps)
        steps = torch.arange(math.ceil(self.share * horizon), dtype=torch.float64)
        horizon_and_share = torch.tensor([horizon, self.share], dtype=torch.float64)
        rising = warmup_multiplier(steps, *horizon_and_share)
        self._multipliers: list[float] = rising.tolist()

    def at(self, step: int) -> float:
        """Multiplier of the step after `step` completed ones."""
        return self._multipliers[step] if 0 <= step < len(self._multipliers) else 1.0
