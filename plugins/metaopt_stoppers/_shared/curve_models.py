"""Models of learning curves, each linear in its asymptote and scale once its shape is given.

A model says value(x) = asymptote + scale · φ(x; shape), with φ falling from its start to 0 as training goes on. x is
the share of the horizon that is done. Formulas: Domhan, Springenberg & Hutter (2015),
https://www.ijcai.org/Proceedings/15/Papers/487.pdf, and Viering & Loog (2022), https://arxiv.org/abs/2103.10948.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


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
