"""Estimates with their intervals, as a recipe keeps them and people read them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Trials of a task's own that a recipe's first run is compared with.
POOL_SIZE = 32


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its bootstrap interval at level 95 %; NaN where there are too few tasks for one."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.3f} (too few tasks for an interval)"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def apart(self, other: "Interval") -> bool:
        """Whether the two intervals do not overlap."""
        return self.low > other.high or other.low > self.high


@dataclass(frozen=True, slots=True)
class TrialsWorth:
    """How many tuning trials on the task itself reach what one run of a recipe reaches.

    Attributes:
        number: that many, on average over tasks; `pool` + 1 where even the whole pool does not reach it.
        low: lower end of its interval.
        high: upper end.
        pool: trials that were tried.
    """

    number: float
    low: float
    high: float
    pool: int

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.show(self.number)} (too few tasks for an interval)"
        return f"{self.show(self.number)} [{self.show(self.low)}, {self.show(self.high)}]"

    def show(self, number: float) -> str:
        """A number of trials, as far as the pool can tell."""
        return f"> {self.pool}" if number > self.pool else f"{number:.1f}"


def ends_of(recorded: Sequence[float | None]) -> tuple[float, float, float]:
    """An estimate and the ends of its interval, out of a recipe's document."""
    value, low, high = (math.nan if end is None else end for end in recorded)
    return value, low, high
