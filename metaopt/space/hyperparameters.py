"""What a search space says of hyperparameters: defaults, checks, conditions, and the numbers that rules see."""

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from metaopt.errors import InputError, did_you_mean, quoted
from metaopt.space.distributions import Categorical, Distribution, Space, Value, When


def plain(value: Any) -> Any:
    """A number or truth value of another library (NumPy's) as Python's own, which JSON knows; else as it is."""
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def defaults(space: Space) -> dict[str, Value]:
    """The default of every hyperparameter of `space`."""
    return {name: _default(distribution) for name, distribution in space.items()}


def resolve(space: Space, given: Mapping[str, Any], owner: str) -> dict[str, Value]:
    """Check `given` against `space` and fill in the defaults.

    Args:
        space: the declared hyperparameters.
        given: values by name; any subset.
        owner: whose hyperparameters they are, for the message.

    Raises:
        InputError: a name is unknown (the message lists the valid ones) or a value is not valid.
    """
    for name in given:
        if name not in space:
            hint = did_you_mean(name, space, "{} ")
            raise InputError(f"{owner} has no hyperparameter {quoted(name)}; {hint}valid: {listing(space)}.")
    values = defaults(space)
    for name, value in given.items():
        values[name] = space[name].check(f"{owner}.{name}", value)
    return values


def is_active(space: Space, name: str, values: Mapping[str, Value]) -> bool:
    """Whether hyperparameter `name` has an effect, and so is tuned, given the others' `values`."""
    condition = space[name].when
    return condition is None or (condition.holds(values) and is_active(space, condition.name, values))


def ordered(space: Space) -> list[str]:
    """Names in an order in which a condition's hyperparameter comes before those that depend on it.

    Raises:
        InputError: a condition names an unknown hyperparameter or the conditions form a circle.
    """
    order: list[str] = []
    pending = list(space)
    while pending:
        ready = [name for name in pending if _ready(space[name].when, order)]
        if not ready:
            raise InputError(f"Conditions of {sorted(pending)} name unknown hyperparameters or form a circle.")
        order += ready
        pending = [name for name in pending if name not in ready]
    return order


def encode(space: Space, values: Mapping[str, Value]) -> dict[str, float]:
    """The numbers that a rule sees for `values`; the inverse does not exist for booleans and strings."""
    return {name: space[name].encode(value) for name, value in values.items()}


def listing(space: Space) -> str:
    """One line that lists the hyperparameters with what a person may give."""
    if not space:
        return "none"
    return ", ".join(f"{name} {_range(distribution)}" for name, distribution in sorted(space.items()))


def _default(distribution: Distribution) -> Value:
    assert distribution.default is not None
    return distribution.default


def _range(distribution: Distribution) -> str:
    return str(list(distribution.choices) if isinstance(distribution, Categorical) else distribution.domain)


def _ready(condition: When | None, done: Iterable[str]) -> bool:
    return condition is None or condition.name in done
