"""What a sweep of rates says: which are as good as the best within their noise, which diverge, and which to take."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

#: A rate counts as good as the best one if it is behind by no more than this many standard errors of their difference.
ERRORS = 2.0
#: From so many rates that are as good as the best, their middle is taken and not the best one.
BASIN = 3


@final
@dataclass(frozen=True)
class RateSweep:
    """Trainings at several rates, equal in all else.

    Attributes:
        rates: peak rates, ascending.
        losses: of each rate, by seed; lower is better, infinite where the training diverged.
        measured: what the numbers are, such as `"loss on the batches that follow"`.
        num_steps: optimizer steps of each training, whose plan they were.
        total_steps: of the training that the rate is wanted for.
        law_rate: what the recipe says for that training.
        exponent: d in T^-d, by which the best rate falls with planned steps.
    """

    rates: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]
    measured: str
    num_steps: int
    total_steps: int
    law_rate: float
    exponent: float

    @property
    def diverges_from(self) -> float | None:
        """The lowest rate from which on each has a training that diverged; None where the highest has none."""
        known = [all(map(math.isfinite, own)) for own in self.losses]
        first = max((place for place, is_finite in enumerate(known) if is_finite), default=-1) + 1
        return self.rates[first] if first < len(self.rates) else None

    @property
    def as_good(self) -> tuple[float, ...]:
        """Rates around the best that are not worse than it by more than noise; empty where all diverged."""
        best = self._best()
        if best is None:
            return ()
        low = high = best
        while low > 0 and self._is_as_good(low - 1, best):
            low -= 1
        while high < len(self.rates) - 1 and self._is_as_good(high + 1, best):
            high += 1
        return self.rates[low : high + 1]

    @property
    def is_at_edge(self) -> bool:
        """Whether the best rate is the lowest or the highest that was tried."""
        return self._best() in (0, len(self.rates) - 1)

    @property
    def best(self) -> float | None:
        """The rate that is best in trainings of `num_steps`: the middle of those that are equally good, or None."""
        place = self._best()
        if place is None:
            return None
        good = self.as_good
        if len(good) >= BASIN:
            return math.sqrt(good[0] * good[-1])
        return self.rates[place] * float((self.rates[1] / self.rates[0]) ** self._vertex(place))

    @property
    def suggestion(self) -> float | None:
        """The rate for a training of `total_steps`: looks shorter than that prefer rates that are too high."""
        best = self.best
        return None if best is None else best * self._correction

    @property
    def _correction(self) -> float:
        return float((self.num_steps / self.total_steps) ** self.exponent)

    def to_frame(self) -> "pd.DataFrame":
        """A row a rate: mean over seeds and its standard error; columns `rate`, `loss`, `error`, `diverged`."""
        import pandas as pd

        rows = []
        for rate, own in zip(self.rates, self.losses, strict=True):
            finite = [loss for loss in own if math.isfinite(loss)]
            error = float(np.std(finite, ddof=1)) / math.sqrt(len(finite)) if len(finite) > 1 else math.nan
            mean = float(np.mean(finite)) if len(finite) == len(own) else math.inf
            rows.append({"rate": rate, "loss": mean, "error": error, "diverged": len(own) - len(finite)})
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """Two or three sentences: what is best and how sure that is, where training diverges, what to take."""
        best, suggestion = self.best, self.suggestion
        if best is None or suggestion is None:
            return (
                f"Every rate from {self.rates[0]:.3g} to {self.rates[-1]:.3g} diverged: try lower ones, or look at the "
                "data."
            )
        good, seeds = self.as_good, len(self.losses[0])
        noise = f" ({good[0]:.3g} to {good[-1]:.3g} are as good within the noise of {seeds} seeds)" * (len(good) > 1)
        parts = [f"The rate {best:.3g} is best by {self.measured}{noise}"]
        if self.diverges_from is not None:
            parts.append(f"from {self.diverges_from:.3g} on training diverges")
        parts.append(f"the recipe by itself takes {self.law_rate:.3g}")
        told = "; ".join(parts) + "."
        if self.is_at_edge:
            told += " It is the last one tried on its side: try further ones."
        if self.num_steps < self.total_steps:
            told += (
                f" A look at {self.num_steps:,} of {self.total_steps:,} steps prefers rates "
                f"{-math.log2(self._correction):.1f} octaves too high: take {suggestion:.3g}."
            )
        return told

    def _best(self) -> int | None:
        means = [float(np.mean(own)) for own in self.losses]
        return int(np.argmin(means)) if min(means) < math.inf else None

    def _is_as_good(self, place: int, best: int) -> bool:
        differences = np.subtract(self.losses[place], self.losses[best])
        if len(differences) < 2 or not np.isfinite(differences).all():
            return False
        error = float(np.std(differences, ddof=1)) / math.sqrt(len(differences))
        return float(np.mean(differences)) <= ERRORS * error

    def _vertex(self, place: int) -> float:
        """Where the parabola through the best rate and its neighbours is lowest, in steps of the grid."""
        if not 0 < place < len(self.rates) - 1:
            return 0.0
        left, middle, right = (float(np.mean(self.losses[index])) for index in (place - 1, place, place + 1))
        curvature = left - 2 * middle + right
        is_known = math.isfinite(curvature) and curvature > 0
        return 0.5 * (left - right) / curvature if is_known else 0.0
