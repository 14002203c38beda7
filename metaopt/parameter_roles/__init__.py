"""What each parameter of a model is for, and how many layers lie above it."""

from metaopt.parameter_roles.depth import layers_above
from metaopt.parameter_roles.detection import role_of_shape, roles, roles_on
from metaopt.parameter_roles.fan_in import fan_in_of
from metaopt.parameter_roles.names import bare_name
from metaopt.parameter_roles.patterns import ROLES, checked_role, overridden

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
