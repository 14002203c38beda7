"""What a configuration has of its own for the parameters of one role."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, final

from metaopt.errors import InputError, known_keywords, quoted
from metaopt.parameter_roles import checked_role
from metaopt.space import as_float


@final
@known_keywords()
@dataclass(frozen=True)
class Role:
    """What the parameters of a role are trained with; see `metaopt.roles`.

    Attributes:
        optimizer: name of an optimizer plugin, or None for the configuration's own. Its hyperparameters are among the
            configuration's, under its name: `"muon.lr"`.
        rate: factor on the `lr` of that optimizer, above 0.
        weight_decay: in place of the optimizer's, for all parameters of the role; None leaves it and `no_decay` alone.
        fan_in: multiplies the rate of each tensor by min(1, fan_in / its own fan-in), with the numbers that one output
            sees as the fan-in of a tensor; above 0, and None leaves rates alone.
    """

    optimizer: str | None = None
    rate: float = 1.0
    weight_decay: float | None = None
    fan_in: float | None = None

    def __post_init__(self) -> None:
        if self.optimizer is not None and not isinstance(self.optimizer, str):
            raise InputError(f"The optimizer of a role is a plugin's name, got {quoted(self.optimizer)}.")
        object.__setattr__(self, "rate", checked_factor(self.rate, "The rate of a role"))
        if self.weight_decay is not None:
            decay = _number(self.weight_decay)
            if decay is None or not 0 <= decay < math.inf:
                raise InputError(f"The weight_decay of a role is 0 or more, got {quoted(self.weight_decay)}.")
            object.__setattr__(self, "weight_decay", decay)
        if self.fan_in is not None:
            width = _number(self.fan_in)
            if width is None or not 0 < width < math.inf:
                raise InputError(f"The fan_in of a role is a number above 0, got {quoted(self.fan_in)}.")
            object.__setattr__(self, "fan_in", width)

    def share(self, fan_in: int) -> float:
        """min(1, `fan_in` of the role / `fan_in`): what is left of the rate for a tensor of this fan-in."""
        return 1.0 if self.fan_in is None else min(1.0, self.fan_in / max(fan_in, 1))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON of what is not at its default."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default}


def checked_roles(roles: Any) -> dict[str, Role]:
    """Roles by name in their order, those that have nothing of their own left out; JSON is read.

    Raises:
        InputError: a role is unknown, or one of its settings is not valid.
    """
    if not isinstance(roles, Mapping):
        raise InputError(f"roles must map roles to their settings ('matrix': Role('muon')), got {quoted(roles)}.")
    read = {checked_role(name, "roles: "): _role(name, roles[name]) for name in roles}
    return {name: read[name] for name in sorted(read) if read[name] != Role()}


def checked_factor(value: Any, what: str) -> float:
    """A number above 0.

    Raises:
        InputError: it is none.
    """
    factor = _number(value)
    if factor is None or not 0 < factor < math.inf:
        raise InputError(f"{what} is a factor above 0, got {quoted(value)}.")
    return factor


def _role(name: str, settings: Any) -> Role:
    if isinstance(settings, Role):
        return settings
    if isinstance(settings, str):
        raise InputError(
            f"roles: {name} must have settings, got {quoted(settings)}; write {{{name!r}: {{'optimizer': "
            f"{quoted(settings)}}}}}."
        )
    if not isinstance(settings, Mapping) or not all(isinstance(key, str) for key in settings):
        raise InputError(f"roles: {name} must have settings such as {{'rate': 0.25}}, got {quoted(settings)}.")
    return Role(**settings)


def _number(value: Any) -> float | None:
    return as_float(value) if isinstance(value, Real) and not isinstance(value, bool) else None
