"""What each parameter of a model is for, and how many layers lie above it."""

from metaopt.parameter_roles.depth import layers_above
from metaopt.parameter_roles.detection import role_of_shape, roles, roles_on
from metaopt.parameter_roles.names import ROLES, bare_name, checked_role, overridden
from metaopt.parameter_roles.weights import fan_in_of

__all__ = [
    "ROLES",
    "bare_name",
    "checked_role",
    "fan_in_of",
    "layers_above",
    "overridden",
    "role_of_shape",
    "roles",
    "roles_on",
]
