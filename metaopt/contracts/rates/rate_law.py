"""How a learning rate follows the size of a training: a power law in parameters, batch size and steps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, TypeAlias, final

from metaopt.errors import InputError, known_keywords, quoted
from metaopt.space import as_float

#: Smallest and largest of what was looked at.
Ends: TypeAlias = tuple[float, float]


@final
@known_keywords()
@dataclass(frozen=True)
class Scale:
    """The size of a training; what is None is unknown, and counts as the anchor's.

    Attributes:
        parameters: trainable numbers of the whole model.
        batch_size: examples of one optimizer step: micro-batch × accumulation × ranks.
        total_steps: planned optimizer steps.
    """

    parameters: float | None = None
    batch_size: float | None = None
    total_steps: float | None = None

    def __post_init__(self) -> None:
        for axis in AXES:
            value = getattr(self, axis)
            if value is None:
                continue
            number = _number(value)
            if number is None or not 0 < number < math.inf:
                raise InputError(f"{axis} must be a number above 0, got {quoted(value)}.")
            object.__setattr__(self, axis, number)

    def factors(self) -> dict[str, float]:
        """By axis, how many times the anchor it is; 1 where it is unknown."""
        return {axis: (getattr(self, axis) or anchor) / anchor for axis, anchor in ANCHOR.items()}


#: Where a configuration's `lr` is the rate itself, whatever the law: constants of the product, not of a corpus.
ANCHOR: Mapping[str, float] = {"parameters": 10_000.0, "batch_size": 64.0, "total_steps": 500.0}
AXES = tuple(ANCHOR)
#: Way of each axis: the rate falls with parameters and steps, and rises with the batch.
SIGNS: Mapping[str, float] = {"parameters": -1.0, "batch_size": 1.0, "total_steps": -1.0}


@final
@known_keywords()
@dataclass(frozen=True)
class RateLaw:
    """η = lr · (N/10,000)^-parameters · (B/64)^batch_size · (T/500)^-total_steps, for one optimizer's rate.

    N counts trainable numbers, B examples a step, T planned steps. The defaults are what best rates of AdamW and of
    Schedule-Free AdamW followed on small models of four kinds: priors for optimizers whose steps have the size of
    their rate, coordinate by coordinate.

    Attributes:
        parameters: exponent of N.
        batch_size: exponent of B.
        total_steps: exponent of T.
        spread: how far best rates lay from the law, root of the mean square, in octaves; None where nobody looked.
        measured: by axis, the smallest and largest training on which its exponent was fitted; an axis that is absent
            has its prior.
    """

    parameters: float = 1 / 3
    batch_size: float = 1 / 3
    total_steps: float = 1 / 4
    spread: float | None = None
    measured: Mapping[str, Ends] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for axis in AXES:
            exponent = _number(getattr(self, axis))
            if exponent is None or not abs(exponent) <= _STEEPEST:
                raise InputError(
                    f"rate_law: the exponent of {axis} must be a number from -{_STEEPEST:g} to {_STEEPEST:g}, got "
                    f"{quoted(getattr(self, axis))}."
                )
            object.__setattr__(self, axis, exponent)
        if self.spread is not None:
            spread = _number(self.spread)
            if spread is None or not 0 <= spread < math.inf:
                raise InputError(f"rate_law: spread must be 0 or more octaves, or None, got {quoted(self.spread)}.")
            object.__setattr__(self, "spread", spread)
        object.__setattr__(self, "measured", _checked_ranges(self.measured))

    def __hash__(self) -> int:
        return hash((*self.exponents.values(), self.spread, tuple(self.measured.items())))

    @property
    def exponents(self) -> dict[str, float]:
        """By axis."""
        return {axis: getattr(self, axis) for axis in AXES}

    def factor(self, scale: Scale) -> float:
        """η / lr for a training of this size."""
        times = scale.factors()
        return float(math.prod(times[axis] ** (SIGNS[axis] * own) for axis, own in self.exponents.items()))

    def formula(self, lr: float) -> str:
        """The law as an expression of plain Python in `parameters`, `batch_size` and `total_steps`."""
        factors = [
            f" * ({axis} / {anchor:_.0f}) ** {SIGNS[axis] * self.exponents[axis]:.10g}"
            for axis, anchor in ANCHOR.items()
            if self.exponents[axis]
        ]
        return f"{lr!r}{''.join(factors)}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; what was measured only where something was."""
        measured = {axis: list(ends) for axis, ends in self.measured.items()}
        return {
            **self.exponents,
            **({} if self.spread is None else {"spread": self.spread}),
            **({"measured": measured} if measured else {}),
        }

    @classmethod
    def from_json(cls, document: Any) -> "RateLaw":
        """Inverse of `to_json`; what is absent has its default."""
        if isinstance(document, cls):
            return document
        if not isinstance(document, Mapping) or not all(isinstance(key, str) for key in document):
            raise InputError(f"rate_law must map optimizers to exponents such as {_EXAMPLE}, got {quoted(document)}.")
        return cls(**document)


#: Exponents beyond this are a mistake: at 100 times the parameters the rate would be 10,000 times another.
_STEEPEST = 2.0
_EXAMPLE = "{'adamw': {'parameters': 0.33}}"

assert tuple(own.name for own in fields(Scale)) == AXES


def _checked_ranges(measured: Any) -> dict[str, Ends]:
    if not isinstance(measured, Mapping) or not set(measured) <= set(AXES):
        raise InputError(f"rate_law: measured has ranges of {', '.join(AXES)}, got {quoted(measured)}.")
    return {axis: _checked_range(axis, measured[axis]) for axis in AXES if axis in measured}


def _checked_range(axis: str, ends: Any) -> Ends:
    numbers = [_number(end) for end in ends] if isinstance(ends, list | tuple) else []
    low, high = (numbers[0], numbers[1]) if len(numbers) == 2 else (None, None)
    if low is None or high is None or not 0 < low <= high < math.inf:
        raise InputError(f"rate_law: measured {axis} must be two numbers above 0, low first, got {quoted(ends)}.")
    return low, high


def _number(value: Any) -> float | None:
    return as_float(value) if isinstance(value, Real) and not isinstance(value, bool) else None  # NumPy's, too
