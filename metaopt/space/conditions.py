"""Conditions between hyperparameters: when one has an effect, given the values of others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from metaopt.errors import InputError, known_keywords

if TYPE_CHECKING:
    from metaopt.space.distributions import Space

Value: TypeAlias = float | int | bool | str
"""A hyperparameter's value, as people write it."""


@known_keywords()
@dataclass(frozen=True, slots=True)
class When:
    """A condition: a hyperparameter is tuned only when another one of the same plugin has certain values.

    Args:
        name: the other hyperparameter.
        among: it must be one of these values, or
        above: it must be greater than this number.

    Raises:
        InputError: not exactly one of `among` and `above` is given.
    """

    name: str
    among: tuple[Value, ...] | None = None
    above: float | None = None

    def __post_init__(self) -> None:
        if (self.among is None) == (self.above is None):
            raise InputError(f"When({self.name!r}) needs exactly one of among= and above=.")

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether the condition holds for `values`; an absent hyperparameter fails it."""
        if self.name not in values:
            return False
        value = values[self.name]
        if self.among is not None:
            return value in self.among
        assert self.above is not None
        return float(value) > self.above


def is_active(space: "Space", name: str, values: Mapping[str, Value]) -> bool:
    """Whether hyperparameter `name` has an effect, and so is tuned, given the others' `values`."""
    condition = space[name].when
    return condition is None or (condition.holds(values) and is_active(space, condition.name, values))


def ordered(space: "Space") -> list[str]:
    """Names in an order in which a condition's hyperparameter comes before those that depend on it.

    Raises:
        InputError: a condition names an unknown hyperparameter or the conditions form a circle.
    """
    order: list[str] = []
    pending = list(space)
    while pending:
        ready = [name for name in pending if _is_ready(space[name].when, order)]
        if not ready:
            raise InputError(f"Conditions of {sorted(pending)} name unknown hyperparameters or form a circle.")
        order += ready
        pending = [name for name in pending if name not in ready]
    return order


def _is_ready(condition: When | None, names: list[str]) -> bool:
    return condition is None or condition.name in names
