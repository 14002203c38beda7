"""Hyperparameters: what tuning proposes, what a person may give, and the numbers that rules see.

A space is a plain mapping from a hyperparameter's name to a `Float`, `Int` or `Categorical`. `low` and
`high` bound what *tuning* proposes; `valid` (an interval such as `"[0, 1)"`) bounds what a *person* may
type, and defaults to the tuning range.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np

from metaopt.errors import InputError, did_you_mean, known_keywords, quoted
from metaopt.space.conditions import Value, When
from metaopt.space.domain import Domain


@known_keywords()
@dataclass(frozen=True, slots=True)
class Float:
    """A real hyperparameter.

    Args:
        low: smallest value that tuning proposes.
        high: largest value that tuning proposes.
        log: whether tuning moves on a logarithmic scale; needs `low > 0`.
        default: value used when nobody says otherwise; the (geometric) middle if left out.
        when: condition under which it is tuned at all.
        valid: interval of values a person may give, such as `"[0, inf)"`; the tuning range if left out.

    Raises:
        InputError: the bounds are not finite or out of order, or the default is not valid.
    """

    low: float
    high: float
    log: bool = False
    default: float | None = None
    when: When | None = None
    valid: str | None = None

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log)
        if self.default is None:
            object.__setattr__(self, "default", self.from_unit(0.5))
        for name, value in (("low", self.low), ("high", self.high), ("default", self.check("default", self.default))):
            object.__setattr__(self, name, float(value))  # equal spaces are written down alike, 1 and 1.0

    @property
    def domain(self) -> Domain:
        """The values a person may give."""
        return Domain.parse(self.valid) if self.valid else Domain(self.low, self.high)

    def check(self, name: str, value: Any) -> float:
        """Return `value` as a float, or raise InputError with the rule and the value."""
        number = as_float(value)
        if math.isnan(number):
            raise InputError(f"{name} must be a number in {self.domain}, got {quoted(value)}.")
        if number not in self.domain:
            raise InputError(f"{name} must be in {self.domain}, got {quoted(value)}.")
        return number

    def from_unit(self, unit: float) -> float:
        """Map [0, 1] onto [low, high], on the log scale if `log`."""
        if self.log:
            return float(min(max(self.low * (self.high / self.low) ** unit, self.low), self.high))
        return self.low + (self.high - self.low) * unit

    def to_unit(self, value: Value) -> float:
        """Inverse of `from_unit`, clipped to [0, 1]."""
        number = min(max(float(value), self.low), self.high)
        if self.high == self.low:
            return 0.0
        if self.log:
            return math.log(number / self.low) / math.log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def encode(self, value: Value) -> float:
        """The number that a rule sees."""
        return float(value)


@known_keywords()
@dataclass(frozen=True, slots=True)
class Int:
    """An integer hyperparameter.

    Args:
        low: smallest value that tuning proposes.
        high: largest value that tuning proposes, itself included.
        log: whether tuning moves on a logarithmic scale; needs `low > 0`.
        default: value used when nobody says otherwise; the (geometric) middle if left out.
        when: condition under which it is tuned at all.
        valid: interval of values a person may give, such as `"[0, inf)"`; the tuning range if left out.

    Raises:
        InputError: the bounds are not finite or out of order, or the default is not valid.
    """

    low: int
    high: int
    log: bool = False
    default: int | None = None
    when: When | None = None
    valid: str | None = None

    def __post_init__(self) -> None:
        _check_bounds(self.low, self.high, self.log)
        if self.default is None:
            object.__setattr__(self, "default", self.from_unit(0.5))
        self.check("default", self.default)

    @property
    def domain(self) -> Domain:
        """The values a person may give."""
        return Domain.parse(self.valid) if self.valid else Domain(self.low, self.high)

    def check(self, name: str, value: Any) -> int:
        """Return `value` as an int, or raise InputError with the rule and the value."""
        number = as_float(value)
        if not number.is_integer() or number not in self.domain:
            raise InputError(f"{name} must be a whole number in {self.domain}, got {quoted(value)}.")
        return int(value)

    def from_unit(self, unit: float) -> int:
        """Map [0, 1] onto the whole numbers from low to high, on the log scale if `log`."""
        return round(Float(self.low, self.high, self.log, default=self.low).from_unit(unit))

    def to_unit(self, value: Value) -> float:
        """Inverse of `from_unit`, clipped to [0, 1]."""
        return Float(self.low, self.high, self.log, default=self.low).to_unit(value)

    def encode(self, value: Value) -> float:
        """The number that a rule sees."""
        return float(value)


@known_keywords()
@dataclass(frozen=True, slots=True)
class Categorical:
    """A choice among a few values. Rules see numbers: booleans as 0 and 1, numbers as they are, strings by index.

    Args:
        choices: the values, without repeats.
        default: one of them; the first if left out.
        when: condition under which it is tuned at all.
        proposed: those of them that tuning proposes; all if left out.

    Raises:
        InputError: there is no choice, one repeats, or the default or a proposed value is none of them.
    """

    choices: tuple[Value, ...]
    default: Value | None = None
    when: When | None = None
    proposed: tuple[Value, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.choices or len(set(map(repr, self.choices))) != len(self.choices):
            raise InputError(f"Categorical needs at least one choice and no repeats, got {quoted(self.choices)}.")
        if self.default is None:
            object.__setattr__(self, "default", self.choices[0])
        self.check("default", self.default)
        if self.proposed is not None:
            if not self.proposed:
                raise InputError("Categorical needs at least one choice that tuning proposes, got proposed=().")
            object.__setattr__(self, "proposed", tuple(self.check("proposed", value) for value in self.proposed))

    @property
    def tuned(self) -> tuple[Value, ...]:
        """The choices that tuning proposes."""
        return self.choices if self.proposed is None else self.proposed

    def check(self, name: str, value: Any) -> Value:
        """Return `value`, or raise InputError that lists the choices."""
        for choice in self.choices:
            if value == choice and isinstance(value, bool) == isinstance(choice, bool):
                return choice
        raise InputError(f"{name} must be one of {list(self.choices)}, got {quoted(value)}.")

    def from_unit(self, unit: float) -> Value:
        """Cut [0, 1] into equal parts, one a choice that tuning proposes."""
        return self.tuned[min(int(unit * len(self.tuned)), len(self.tuned) - 1)]

    def to_unit(self, value: Value) -> float:
        """Middle of the part that belongs to `value`; of the first one where tuning does not propose it."""
        return ((self.tuned.index(value) if value in self.tuned else 0) + 0.5) / len(self.tuned)

    def encode(self, value: Value) -> float:
        """The number that a rule sees."""
        return float(self.choices.index(value)) if isinstance(value, str) else float(value)


Distribution: TypeAlias = Float | Int | Categorical
Space: TypeAlias = Mapping[str, Distribution]


def defaults(space: Space) -> dict[str, Value]:
    """The default of every hyperparameter of `space`."""
    return {name: _default(distribution) for name, distribution in space.items()}


def resolve(space: Space, stated: Mapping[str, Any], owner: str) -> dict[str, Value]:
    """Check `stated` against `space` and fill in the defaults.

    Args:
        space: the declared hyperparameters.
        stated: values by name; any subset.
        owner: whose hyperparameters they are, for the message.

    Raises:
        InputError: a name is unknown (the message lists the valid ones) or a value is not valid.
    """
    for name in stated:
        if name not in space:
            hint = did_you_mean(name, space, "{} ")
            raise InputError(f"{owner} has no hyperparameter {quoted(name)}; {hint}valid: {listing(space)}.")
    values = defaults(space)
    for name, value in stated.items():
        values[name] = space[name].check(f"{owner}.{name}", value)
    return values


def encode(space: Space, values: Mapping[str, Value]) -> dict[str, float]:
    """The numbers that a rule sees for `values`; the inverse does not exist for booleans and strings."""
    return {name: space[name].encode(value) for name, value in values.items()}


def listing(space: Space) -> str:
    """One line that lists the hyperparameters with what a person may give."""
    allowed = {name: each.choices if isinstance(each, Categorical) else each.domain for name, each in space.items()}
    words = [f"{name} {list(it) if isinstance(it, tuple) else it}" for name, it in sorted(allowed.items())]
    return ", ".join(words) or "none"


def as_float(value: Any) -> float:
    """A number as a float: NaN for what is no number (booleans too), infinite beyond the range of floats."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    number: Any = value
    try:
        return float(number)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if number > 0 else -math.inf


def plain(value: Any) -> Any:
    """A number or truth value of another library (NumPy's) as Python's own, which JSON knows; else as it is."""
    if type(value) in (bool, int, float, str) or not isinstance(value, Real | np.bool_):  # ledgers hold millions
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    return int(value) if isinstance(value, Integral) else float(value)


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(as_float(low)) and math.isfinite(as_float(high))) or low > high:
        raise InputError(f"Bounds must be finite with low <= high, got low={quoted(low)}, high={quoted(high)}.")
    if log and low <= 0:
        raise InputError(f"A log scale needs low > 0, got low={quoted(low)}.")


def _default(distribution: Distribution) -> Value:
    assert distribution.default is not None
    return distribution.default
