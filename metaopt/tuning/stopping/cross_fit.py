"""Fitted stoppers played over curves that they were not fitted to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metaopt.contracts import CurveBatch, StopperTheta
from metaopt.plugin import StopperSpec

#: Parts into which a population is cut: each is played with what the others taught.
FOLDS = 4
#: How often a population is cut anew: a single cut takes to settings that were lucky in it.
CUTS = 2

#: `(batch's index, rows of it, theta) -> quantities`, each of shape (policies, rows).
Play = Callable[[int, NDArray[np.int64], StopperTheta], tuple[NDArray[np.float64], ...]]


@dataclass(frozen=True)
class CrossFit:
    """What a stopper learned from curves, and from all but each part of them.

    Attributes:
        theta: fitted to all curves; empty for stoppers that learn nothing.
        parts: rows of each batch that belong to a part, and theta from the other parts; of each cut.
        order: of the parts' rows one after the other, that of all batches' rows, those of the cuts side by side.
        cuts: how many times the curves were cut into parts.
    """

    theta: StopperTheta
    parts: tuple[tuple[tuple[NDArray[np.int64], ...], StopperTheta], ...]
    order: NDArray[np.int64]
    cuts: int = 1

    def play(self, play: Play) -> tuple[NDArray[np.float64], ...]:
        """The quantities that `play` gives, over all batches' rows in order, shape (policies, rows), means over cuts.

        A setting chosen on the very curves that theta was fitted to looks better than it is: each part is played with
        what the others taught.
        """
        played = [
            _joined([play(at, rows, theta) for at, rows in enumerate(inside) if len(rows)])
            for inside, theta in self.parts
        ]
        joined = [np.concatenate(columns, axis=1)[:, self.order] for columns in zip(*played, strict=True)]
        return tuple(quantity.reshape(len(quantity), -1, self.cuts).mean(axis=2) for quantity in joined)


def cross_fit(
    spec: StopperSpec, batches: Sequence[CurveBatch], groups: Sequence[NDArray[np.int64]], seed: int
) -> CrossFit | None:
    """Fit a stopper to all curves, and to all but each of up to `FOLDS` parts of them, in each of `CUTS` cuts.

    Args:
        spec: a stopper with a pure form.
        batches: the curves.
        groups: of each curve of each batch; curves of a group stay together.
        seed: of the parts, and of fitting.

    Returns:
        None where a fitted stopper has fewer than two groups to learn from.
    """
    if spec.fit is None:
        whole = tuple(np.arange(len(batch.values)) for batch in batches)
        return CrossFit({}, ((whole, {}),), np.arange(sum(map(len, whole))))
    all_groups, generator = np.concatenate(groups), np.random.default_rng(seed)
    parts = [part for _ in range(CUTS) for part in _parts(all_groups, generator)]
    if len(parts) < 2 * CUTS:
        return None
    bounds = np.cumsum([len(batch.values) for batch in batches])[:-1]
    fits: list[tuple[tuple[NDArray[np.int64], ...], StopperTheta]] = []
    for part in parts:
        outside = np.split(~part, bounds)
        theta = fitted(
            spec, [batch.rows(np.flatnonzero(rows)) for batch, rows in zip(batches, outside, strict=True)], seed
        )
        fits.append((tuple(np.flatnonzero(~rows) for rows in outside), theta))
    order = np.argsort(np.concatenate([np.flatnonzero(part) for part in parts]), kind="stable")
    return CrossFit(fitted(spec, batches, seed), tuple(fits), order, CUTS)


def fitted(spec: StopperSpec, batches: Sequence[CurveBatch], seed: int) -> StopperTheta:
    """Theta from these curves, checked; empty for a stopper that learns nothing."""
    if spec.fit is None:
        return {}
    nonempty = [batch for batch in batches if len(batch.values)]
    return spec.learned(spec.fit(nonempty, np.random.default_rng(seed)))


def _parts(groups: NDArray[np.int64], generator: np.random.Generator) -> list[NDArray[np.bool_]]:
    """Which curves are in each part."""
    names = generator.permutation(np.unique(groups))
    count = min(FOLDS, len(names))
    return [np.isin(groups, names[part::count]) for part in range(count)]


def _joined(played: Sequence[tuple[NDArray[np.float64], ...]]) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.concatenate(columns, axis=1) for columns in zip(*played, strict=True))
