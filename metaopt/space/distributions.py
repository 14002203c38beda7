"""Search spaces: tunable numbers declared once, read by Optuna, by evolution strategies and by people.

A space is a plain mapping from a hyperparameter's name to a `Float`, `Int` or `Categorical`. `low` and
`high` bound what *tuning* proposes; `valid` (an interval such as `"[0, 1)"`) bounds what a *person* may
type, and defaults to the tuning range.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from metaopt.errors import InputError, known_keywords, quoted
from metaopt.space.domain import Domain

Value: TypeAlias = float | int | bool | str


@known_keywords()
@dataclass(frozen=True, slots=True)
class When:
    """A condition: a hyperparameter is tuned only when another one of the same plugin has certain values.

    Args:
        name: the other hyperparameter.
        among: it must be one of these values, or
        above: it must be greater than this number.
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
    """An integer hyperparameter; arguments as for `Float`, both ends included."""

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


def as_float(value: Any) -> float:
    """A number as a float: NaN for what is no number (booleans too), infinite beyond the range of floats."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    given: Any = value
    try:
        return float(given)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if given > 0 else -math.inf


def _check_bounds(low: float, high: float, log: bool) -> None:
    if not (math.isfinite(as_float(low)) and math.isfinite(as_float(high))) or low > high:
        raise InputError(f"Bounds must be finite with low <= high, got low={quoted(low)}, high={quoted(high)}.")
    if log and low <= 0:
        raise InputError(f"A log scale needs low > 0, got low={quoted(low)}.")
