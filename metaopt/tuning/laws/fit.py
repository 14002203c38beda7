"""Exponents of a law of rates, fitted to best rates of tasks of several sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metaopt.contracts import AXES, SIGNS, Array, RateLaw, Scale

#: An exponent is fitted where its axis varies by at least so many times within a family.
VARIES = 4.0
#: How far, in octaves, the best rate of a sweep lies from any law, at least; and how far exponents are from priors.
NOISE, PRIOR = 0.25, 0.15
#: Families below which none can be left out.
FEWEST = 3


@dataclass(frozen=True)
class BestRate:
    """Where a sweep found the best rate of a task.

    Attributes:
        family: of the task; families have intercepts of their own.
        scale: of the task.
        octaves: log2 of the rate.
    """

    family: str
    scale: Scale
    octaves: float


@dataclass(frozen=True)
class FittedLaw:
    """A law and how it came about.

    Attributes:
        law: with its spread and what it was measured on; the prior's exponents where the fit lost.
        shift: log2 of what an `lr` is to be multiplied by, so that the mean rate of these tasks stays as it was.
        errors: root of the mean square, in octaves, of the prior and of the fit in families that were left out.
    """

    law: RateLaw
    shift: float
    errors: tuple[float, float]

    @property
    def wins(self) -> bool:
        """Whether the law is the fit's: it predicts families that it did not see better than the prior."""
        return bool(self.law.measured)


def fitted(rates: Sequence[BestRate], prior: RateLaw) -> FittedLaw:
    """Ridge regression of log2 best rate on log2 sizes, towards the prior, with one intercept a family.

    With x the sizes as octaves of the anchor and y the best rates, both centred within families, the exponents are
    a = p + (xᵀx + (σ/PRIOR)²)⁻¹ xᵀ(y − x p), p being the prior's and σ the root mean square of y − x p. An axis that
    varies by less than four times in every family keeps its prior. The fit replaces the prior if its error is smaller
    in families that are left out in turn; a family's own level is never known beforehand, so that errors are taken
    around it.

    Args:
        rates: one a task, at least one.
        prior: the law that the sweeps were made around.
    """
    families = sorted({rate.family for rate in rates})
    sizes, octaves, varies = _centred(rates)
    measured = {
        axis: (min(known), max(known))
        for axis, is_fitted in zip(AXES, varies, strict=True)
        if is_fitted and (known := [value for rate in rates if (value := getattr(rate.scale, axis)) is not None])
    }
    start = np.array([SIGNS[axis] * prior.exponents[axis] for axis in AXES])
    members = np.array([rate.family for rate in rates])
    left_out = np.array([_ridge(sizes[members != name], octaves[members != name], start, varies) for name in families])
    own = left_out[[families.index(name) for name in members]]
    errors = (_rms(octaves - sizes @ start), _rms(octaves - np.einsum("ij,ij->i", sizes, own)))
    wins = len(families) >= FEWEST and errors[1] < errors[0]
    exponents = _ridge(sizes, octaves, start, varies) if wins else start
    signed = {axis: float(SIGNS[axis] * value) for axis, value in zip(AXES, exponents, strict=True)}
    law = RateLaw.from_json(
        {**signed, "spread": _rms(octaves - sizes @ exponents), "measured": measured if wins else {}}
    )
    shift = float(np.mean([math.log2(prior.factor(rate.scale) / law.factor(rate.scale)) for rate in rates]))
    return FittedLaw(law, shift, errors)


def _centred(rates: Sequence[BestRate]) -> tuple[Array, Array, Array]:
    """Sizes and best rates, in octaves around their family's mean, and which axes vary enough to be fitted."""
    sizes = np.log2(np.array([list(rate.scale.factors().values()) for rate in rates]))
    octaves = np.array([rate.octaves for rate in rates])
    varies = np.zeros(len(AXES), dtype=bool)
    for name in {rate.family for rate in rates}:
        rows = [place for place, rate in enumerate(rates) if rate.family == name]
        varies |= np.ptp(sizes[rows], axis=0) >= math.log2(VARIES) - 1e-9
        sizes[rows] -= sizes[rows].mean(axis=0)
        octaves[rows] -= octaves[rows].mean()
    return sizes, octaves, varies


def _ridge(sizes: Array, octaves: Array, start: Array, varies: Array) -> Array:
    own = sizes[:, varies]
    exponents = start.copy()
    rest = octaves - sizes @ start
    strength = (max(NOISE, _rms(rest)) / PRIOR) ** 2
    exponents[varies] += np.linalg.solve(own.T @ own + strength * np.eye(own.shape[1]), own.T @ rest)
    return exponents


def _rms(errors: Array) -> float:
    return float(np.sqrt(np.mean(errors**2))) if errors.size else 0.0
