"""Fitted stoppers played over curves that they were not fitted to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metaopt.contracts import CurveBatch, StopperTheta
from metaopt.specs import StopperSpec

#: Parts into which a population is cut: each is played with what the others taught.
FOLDS = 4

#: `(batch's index, rows of it, theta) -> quantities`, each of shape (policies, rows).
Play = Callable[[int, NDArray[np.int64], StopperTheta], tuple[NDArray[np.float64], ...]]


@dataclass(frozen=True)
class CrossFit:
    """What a stopper did on curves, and what it learned from all of them.

    Attributes:
        played: the quantities that `play` gives, over all batches' rows in order, shape (policies, rows).
        theta: fitted to all curves; empty for stoppers that learn nothing.
    """

    played: tuple[NDArray[np.float64], ...]
    theta: StopperTheta


def cross_fit(
    spec: StopperSpec, batches: Sequence[CurveBatch], groups: Sequence[NDArray[np.int64]], play: Play, seed: int
) -> CrossFit | None:
    """Play a stopper over curves; a fitted one over each part of them with theta from the other parts alone.

    A setting chosen on the very curves that theta was fitted to looks better than it is. Up to `FOLDS` parts are made
    of whole groups.

    Args:
        spec: a stopper with a pure form.
        batches: the curves.
        groups: of each curve of each batch; curves of a group stay together.
        play: what to do with a theta.
        seed: of the parts, and of fitting.

    Returns:
        None where a fitted stopper has fewer than two groups to learn from.
    """
    if spec.fit is None:
        return CrossFit(_joined([play(at, np.arange(len(one.values)), {}) for at, one in enumerate(batches)]), {})
    parts = _parts(np.concatenate(groups), seed)
    if len(parts) < 2:
        return None
    bounds = np.cumsum([len(one.values) for one in batches])[:-1]
    found: list[tuple[NDArray[np.float64], ...]] = []
    for part in parts:
        outside = np.split(~part, bounds)
        theta = fitted(spec, [one.rows(np.flatnonzero(rows)) for one, rows in zip(batches, outside, strict=True)], seed)
        inside = [np.flatnonzero(~rows) for rows in outside]
        found.append(_joined([play(at, rows, theta) for at, rows in enumerate(inside) if len(rows)]))
    order = np.argsort(np.concatenate([np.flatnonzero(part) for part in parts]))
    played = tuple(np.concatenate(columns, axis=1)[:, order] for columns in zip(*found, strict=True))
    return CrossFit(played, fitted(spec, batches, seed))


def fitted(spec: StopperSpec, batches: Sequence[CurveBatch], seed: int) -> StopperTheta:
    """Theta from these curves, checked; empty for a stopper that learns nothing."""
    if spec.fit is None:
        return {}
    some = [one for one in batches if len(one.values)]
    return spec.learned(spec.fit(some, np.random.default_rng(seed)))


def _parts(groups: NDArray[np.int64], seed: int) -> list[NDArray[np.bool_]]:
    """Which curves are in each part."""
    names = np.random.default_rng(seed).permutation(np.unique(groups))
    count = min(FOLDS, len(names))
    return [np.isin(groups, names[part::count]) for part in range(count)]


def _joined(played: Sequence[tuple[NDArray[np.float64], ...]]) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.concatenate(columns, axis=1) for columns in zip(*played, strict=True))
