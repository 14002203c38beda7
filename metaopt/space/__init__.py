"""Search spaces: tunable numbers declared once, read by Optuna, by evolution strategies and by people."""

from metaopt.space.conditions import Value, When, is_active, ordered
from metaopt.space.distributions import (
    Categorical,
    Distribution,
    Float,
    Int,
    Space,
    as_float,
    defaults,
    encode,
    listing,
    plain,
    resolve,
)
from metaopt.space.domain import Domain
from metaopt.space.proposed import as_proposed

__all__ = [
    "Categorical",
    "Distribution",
    "Domain",
    "Float",
    "Int",
    "Space",
    "Value",
    "When",
    "as_float",
    "as_proposed",
    "defaults",
    "encode",
    "is_active",
    "listing",
    "ordered",
    "plain",
    "resolve",
]
