"""What a search asks for values: an Optuna trial, or something that stands in for one."""

from collections.abc import Sequence
from typing import Any, Protocol

from metaopt.space import Distribution, Float, Int, Value


class Chooser(Protocol):
    """What proposes values: an Optuna trial, or random numbers."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A real number in [low, high]."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """A whole number in [low, high]."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        ...


def ask(chooser: Chooser, name: str, distribution: Distribution) -> Value:
    """One value of a distribution."""
    if isinstance(distribution, Float):
        return float(chooser.suggest_float(name, distribution.low, distribution.high, log=distribution.log))
    if isinstance(distribution, Int):
        return int(chooser.suggest_int(name, distribution.low, distribution.high, log=distribution.log))
    chosen: Value = chooser.suggest_categorical(name, list(distribution.tuned))
    return chosen
