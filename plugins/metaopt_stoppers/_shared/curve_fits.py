"""Models of learning curves, fitted to all beginnings of curves and to bootstrap samples of each, in closed form.

A model says value(x) = asymptote + scale · φ(x; shape), with φ falling from its start to 0 as training goes on. x is
the share of the horizon that is done. Formulas: Domhan, Springenberg & Hutter (2015),
https://www.ijcai.org/Proceedings/15/Papers/487.pdf, and Viering & Loog (2022), https://arxiv.org/abs/2103.10948.

Given a model's shape, its asymptote and scale are a weighted least-squares line in φ. The line's sums grow with each
validation, so that one pass over a curve fits every beginning of it; shapes come from a grid.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

#: Number of bootstrap samples; the first is the data themselves.
REPLICATES = 24
#: Residuals below this share of a variance count as rounding.
_ROUNDING = 1e-9
#: The k-th validation has weight k to this power.
_RECENCY = 1.5
#: Degrees of freedom that one weighted validation counts for.
_INDEPENDENT = (2 * _RECENCY + 1) / (_RECENCY + 1) ** 2
#: Number of curves that are fitted together, so that their sums stay in a processor's cache.
_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class CurveModel:
    """A family of curves.

    Attributes:
        name: name in the literature.
        basis: φ, from x of shape (T, 1) and a shape's numbers, each of shape (G,), to (T, G).
        inflection: x at which φ turns from steepening to levelling off, from a shape's numbers; 0 where it always
            levels off.
        grid: the values of each of the shape's numbers that are tried, in all combinations.
    """

    name: str
    basis: Callable[..., Array]
    inflection: Callable[..., Array]
    grid: tuple[Array, ...]

    @cached_property
    def shapes(self) -> tuple[Array, ...]:
        """Each of the shape's numbers at all points of the grid, shape (G,)."""
        return tuple(axis.reshape(-1) for axis in np.meshgrid(*self.grid, indexing="ij"))

    @property
    def num_parameters(self) -> int:
        """Asymptote, scale and the shape's numbers."""
        return 2 + len(self.grid)


def _power(x: Array, exponent: Array) -> Array:
    return np.asarray(x**-exponent)


def _exponential(x: Array, rate: Array) -> Array:
    return np.asarray(np.exp(-rate * x))


def _logistic(x: Array, rate: Array, middle: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(np.minimum(rate * (x - middle), 700.0))))


def _weibull(x: Array, rate: Array, power: Array) -> Array:
    return np.asarray(np.exp(-np.minimum((rate * x) ** power, 700.0)))


def _mmf(x: Array, rate: Array, power: Array) -> Array:
    return np.asarray(1 / (1 + (rate * x) ** power))


def _never(*shape: Array) -> Array:
    return np.zeros_like(shape[0])


def _middle(rate: Array, middle: Array) -> Array:
    return middle


def _weibull_inflection(rate: Array, power: Array) -> Array:
    return np.asarray(np.maximum(1 - 1 / power, 0) ** (1 / power) / rate)


def _mmf_inflection(rate: Array, power: Array) -> Array:
    return np.asarray(np.maximum((power - 1) / (power + 1), 0) ** (1 / power) / rate)


_RATES = np.geomspace(0.5, 150.0, 18)
_POWERS = np.asarray([0.35, 0.5, 0.7, 1.5, 2.1, 3.0])

#: The family. Janoschek's e^(−κ·x^δ) and Weibull's e^(−(κ·x)^δ) are the same curves, κ being in other units: one model.
MODELS: tuple[CurveModel, ...] = (
    CurveModel("power law", _power, _never, (np.geomspace(0.05, 4.0, 24),)),
    CurveModel("exponential", _exponential, _never, (np.geomspace(0.5, 200.0, 24),)),
    CurveModel("logistic", _logistic, _middle, (np.geomspace(4.0, 100.0, 9), np.geomspace(0.03, 0.8, 15))),
    CurveModel("Weibull and Janoschek", _weibull, _weibull_inflection, (_RATES, _POWERS)),
    CurveModel("MMF", _mmf, _mmf_inflection, (_RATES, _POWERS)),
)

_ENDS = np.cumsum([len(model.shapes[0]) for model in MODELS])
_PARTS = tuple(slice(int(end) - len(model.shapes[0]), int(end)) for model, end in zip(MODELS, _ENDS, strict=True))
_INFLECTIONS = np.concatenate([model.inflection(*model.shapes) for model in MODELS])
_PARAMETERS = np.asarray([float(model.num_parameters) for model in MODELS])


@dataclass(frozen=True, eq=False)
class Fits:
    """Predictions of the models after each validation, each of shape (n, T, REPLICATES, models).

    Attributes:
        end: the value expected at the end.
        deviation: standard deviation of a value around the model.
        share: weight of the model among the others, by the Bayesian information criterion; they add up to 1.
    """

    end: Array
    deviation: Array
    share: Array


def fit(values: Array, x: Array, end: Array, since: int = 0) -> Fits:
    """Fit each beginning of curves that were validated at the same moments.

    The k-th validation has weight k^1.5, since the end resembles what is recent, and n of them count as .64 n in
    degrees of freedom, (Σ k^1.5)² / Σ k³. Bootstrap samples are those of the Bayesian bootstrap, which weighs
    validations by exponential random numbers, always the same ones. A shape whose inflection lies ahead is not tried:
    any future would be possible.

    Args:
        values: shape (n, T), finite.
        x: share of the horizon done at each validation, above 0, shape (T,).
        end: x of the end, as it is seen from each validation, shape (T,).
        since: the first validation after which fits are asked for; T in what is returned is what is left.
    """
    parts = [_fit(values[begin : begin + _AT_ONCE], x, end, since) for begin in range(0, len(values), _AT_ONCE)]
    return Fits(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _fit(values: Array, x: Array, end: Array, since: int) -> tuple[Array, ...]:
    n, length = values.shape
    weights, phi, phi_end = _weights(length), _basis(x), _basis(end[since:])
    sums = _Sums(weights[:since], phi[:since], values[:, :since])
    results = tuple(np.empty((n, length - since, REPLICATES, len(MODELS))) for _ in range(3))
    for index in range(since, length):
        sums.add(weights[index], phi[index], values[:, index])
        fits = sums.fits(x[index] >= _INFLECTIONS, phi_end[index - since], _INDEPENDENT * (index + 1))
        for array, fit in zip(results, fits, strict=True):
            array[:, index - since] = fit
    return results


class _Sums:
    """Weighted sums over the validations so far, for each replicate, shape, and curve where they depend on it."""

    def __init__(self, weights: Array, phi: Array, values: Array) -> None:
        self.weight = weights.sum(0)
        self.y, self.yy = values @ weights, values**2 @ weights
        self.phi, self.phi2 = weights.T @ phi, weights.T @ phi**2
        self.phi_y = np.stack([(weights * row[:, None]).T @ phi for row in values])

    def add(self, weights: Array, phi: Array, values: Array) -> None:
        """Add one validation: weights (replicates,), φ (shapes,) and values (n,)."""
        weighted = weights[:, None] * phi
        self.weight += weights
        self.y += values[:, None] * weights
        self.yy += values[:, None] ** 2 * weights
        self.phi += weighted
        self.phi2 += weighted * phi
        self.phi_y += weighted * values[:, None, None]

    def fits(self, allowed: NDArray[np.bool_], phi_end: Array, count: float) -> tuple[Array, Array, Array]:
        """`Fits` by the best allowed shapes, each (n, replicates, models); `count` are degrees of freedom."""
        spread = self.phi2 - self.phi**2 / self.weight[:, None]
        known = (spread > _ROUNDING * self.phi2) & allowed
        inverse = np.where(known, 1 / np.where(known, spread, 1.0), 0.0)
        mean = self.y / self.weight
        common = self.phi_y - self.phi * mean[..., None]
        explained = common**2 * inverse
        variance = self.yy - self.y * mean
        end, left = np.empty((2, *self.y.shape, len(MODELS)))
        rows = np.arange(REPLICATES)
        curves = np.arange(len(self.y))[:, None]
        for model, part in enumerate(_PARTS):
            gain = explained[..., part]
            # The first of equals, whatever rounding says: shapes that cannot be told apart must not change places.
            at = part.start + np.argmax(gain >= gain.max(-1, keepdims=True) * (1 - _ROUNDING), axis=-1)
            slope = common[curves, rows, at] * inverse[rows, at]
            end[..., model] = mean + slope * (phi_end[at] - self.phi[rows, at] / self.weight)
            left[..., model] = variance - explained[curves, rows, at]
        left = np.maximum(left, _ROUNDING * variance[..., None])
        score = -0.5 * (count * np.log(left) + _PARAMETERS * np.log(count))
        share = np.exp(score - score.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        freedom = np.maximum(1 - _PARAMETERS / count, 1 / count)
        return end, np.sqrt(left / self.weight[:, None] / freedom), share


def _basis(x: Array) -> Array:
    """φ of all shapes of all models in turn, shape (T, shapes)."""
    return np.concatenate([model.basis(x[:, None], *model.shapes) for model in MODELS], axis=1)


@cache
def _weights(length: int) -> Array:
    weights = np.random.default_rng(0).standard_exponential((length, REPLICATES))
    weights[:, 0] = 1.0
    return np.asarray(weights * np.arange(1.0, length + 1)[:, None] ** _RECENCY)
