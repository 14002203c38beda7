"""A warm-up in front of a controller that has none of its own."""

import math
from typing import final

import torch

from metaopt.contracts import warmup_horizon, warmup_multiplier
from metaopt.deploy.scheduler.rate_lookup import STEPS_AT_ONCE


@final
class WarmUp:
    """Multipliers of the first steps: `metaopt.warmup_multiplier` as plain numbers, a span of steps at once.

    Args:
        share: of the planned steps; 0 for none.
        total_steps: planned number of steps, or None.

    Attributes:
        share: as given.
        end: the number of steps after which all multipliers are 1.
    """

    def __init__(self, share: float, total_steps: int | None) -> None:
        self.share = float(share)
        self._horizon = warmup_horizon(total_steps)
        self.end = math.ceil(self.share * self._horizon)
        self._first, self._span = 0, list[float]()

    def at(self, step: int) -> float:
        """Multiplier of the step after `step` completed ones."""
        if not 0 <= step < self.end:
            return 1.0
        place = step - self._first
        if not 0 <= place < len(self._span):
            self._first, place = step - step % STEPS_AT_ONCE, step % STEPS_AT_ONCE
            steps = torch.arange(self._first, min(self._first + STEPS_AT_ONCE, self.end), dtype=torch.float64)
            self._span = warmup_multiplier(
                steps, *torch.tensor([self._horizon, self.share], dtype=torch.float64)
            ).tolist()
        return self._span[place]
