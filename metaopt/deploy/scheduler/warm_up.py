"""A warm-up in front of a controller that has none of its own."""

from typing import final

from metaopt.contracts import warmup_horizon


@final
class WarmUp:
    """Multipliers of the first steps: `metaopt.warmup_multiplier` in plain numbers, for plans of any length.

    Args:
        share: of the planned steps; 0 for none.
        total_steps: planned number of steps, or None.
    """

    def __init__(self, share: float, total_steps: int | None) -> None:
        self.share = float(share)
        self._steps = max(self.share * warmup_horizon(total_steps), 1.0)

    def at(self, step: int) -> float:
        """Multiplier of the step after `step` completed ones."""
        return min((step + 1) / self._steps, 1.0) if step >= 0 else 1.0
