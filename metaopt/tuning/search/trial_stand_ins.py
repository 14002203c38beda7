"""What answers a space's questions besides Optuna's trials: random numbers, defaults, known settings, earlier ones.

And `quietly`, in which Optuna makes trials and studies without its own notes.
"""

import contextlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from metaopt.space import Float, Int
from metaopt.tuning.chooser import ask
from metaopt.tuning.search.joint_space import JointSpace

#: Near a setting: how often a choice stays, how often a number moves, and by how much of its range (one standard
#: deviation).
_KEPT, _MOVED, _STEP = 0.9, 0.5, 0.15


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep Optuna's notes on each new study out of the log, and leave its verbosity as the user set it."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(max(verbosity, optuna.logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


class RandomChooser:
    """Proposes uniform (or log-uniform) random values.

    Args:
        generator: where the randomness comes from.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A real number in [low, high]."""
        if log:
            return float(np.clip(math.exp(self._generator.uniform(math.log(low), math.log(high))), low, high))
        return float(self._generator.uniform(low, high))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """A whole number in [low, high]."""
        if log:
            return int(np.clip(round(self.suggest_float(name, low, high, log=True)), low, high))
        return int(self._generator.integers(low, high + 1))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        return choices[int(self._generator.integers(len(choices)))]


class DefaultChooser:
    """Chooses the defaults, but for names whose values are given.

    Args:
        values: by name.
        space: where defaults are declared.
    """

    def __init__(self, values: Mapping[str, Any], space: JointSpace) -> None:
        self.params: dict[str, Any] = {}
        self._values = values
        self._defaults = space.defaults()

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """The given value or the default, moved into the range that is tuned."""
        return float(self._choose(name, min(max(float(self._wanted(name)), low), high)))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """The given value or the default, moved into the range that is tuned."""
        return int(self._choose(name, min(max(int(self._wanted(name)), low), high)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The given value, the default, or the first choice."""
        wanted = self._wanted(name)
        return self._choose(name, wanted if wanted in choices else choices[0])

    def _wanted(self, name: str) -> Any:
        return self._values.get(name, self._defaults.get(name))

    def _choose(self, name: str, value: Any) -> Any:
        self.params[name] = value
        return value


class OutsideError(Exception):
    """A value is not among those that the space allows."""


class FollowChooser:
    """Chooses given values; OutsideError where one is out of range, no choice, or missing.

    Args:
        values: by name.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.params: dict[str, Any] = {}
        self._values = values

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """The given value, if it lies in [low, high]."""
        return float(self._choose(name, low <= float(self._values.get(name, math.nan)) <= high))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """The given value, if it lies in [low, high]."""
        return int(self._choose(name, low <= float(self._values.get(name, math.nan)) <= high))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The given value, if it is one of the choices."""
        return self._choose(name, name in self._values and self._values[name] in choices)

    def _choose(self, name: str, allowed: bool) -> Any:
        if not allowed:
            raise OutsideError(name)
        self.params[name] = self._values[name]
        return self._values[name]


class NearChooser:
    """Chooses values near given ones, on the scale on which the space moves; at random where none is given.

    Args:
        params: the given ones by name.
        generator: where the randomness comes from.
    """

    def __init__(self, params: Mapping[str, Any], generator: np.random.Generator) -> None:
        self.params: dict[str, Any] = {}
        self._given = params
        self._generator = generator
        self._random = RandomChooser(generator)

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """The given number, or one near it."""
        return float(self._near(name, Float(low, high, log, default=low)))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """The given number, or one near it."""
        return int(self._near(name, Int(low, high, log, default=low)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The given choice, now and then another one."""
        keeps = self._given.get(name) in choices and self._generator.random() < _KEPT
        self.params[name] = self._given[name] if keeps else self._random.suggest_categorical(name, choices)
        return self.params[name]

    def _near(self, name: str, distribution: Float | Int) -> Any:
        if name not in self._given:
            self.params[name] = ask(self._random, name, distribution)
        elif self._generator.random() < _MOVED:
            unit = distribution.to_unit(self._given[name]) + _STEP * self._generator.normal()
            self.params[name] = distribution.from_unit(min(max(unit, 0.0), 1.0))
        else:
            self.params[name] = min(max(self._given[name], distribution.low), distribution.high)
        return self.params[name]


class ReplayChooser:
    """Chooses what was chosen before, and records the distributions it was asked for.

    Args:
        params: earlier choices by name.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.distributions: dict[str, optuna.distributions.BaseDistribution] = {}
        self._params = params

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """The earlier choice."""
        return float(self._record(name, optuna.distributions.FloatDistribution(low, high, log=log)))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """The earlier choice."""
        return int(self._record(name, optuna.distributions.IntDistribution(low, high, log=log)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The earlier choice."""
        return self._record(name, optuna.distributions.CategoricalDistribution(list(choices)))

    def _record(self, name: str, distribution: optuna.distributions.BaseDistribution) -> Any:
        self.distributions[name] = distribution
        return self._params[name]
