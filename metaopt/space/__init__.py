"""Search spaces: tunable numbers declared once, read by Optuna, by evolution strategies and by people."""

from metaopt.space.distributions import Categorical, Distribution, Float, Int, Space, Value, When, as_float
from metaopt.space.domain import Domain
from metaopt.space.hyperparameters import defaults, encode, is_active, listing, ordered, plain, resolve

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
    "defaults",
    "encode",
    "is_active",
    "listing",
    "ordered",
    "plain",
    "resolve",
]
