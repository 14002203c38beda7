"""What a study may propose for roles: another optimizer for matrices, a slower input. Few choices, off by default."""

from collections.abc import Mapping, Sequence

from metaopt.configuration import Configuration, Role
from metaopt.plugin import OptimizerSpec
from metaopt.space import Categorical, Float, Space, Value, When

#: What names of these choices begin with, as a plugin's hyperparameters begin with its name.
OWNER = "roles"
#: A role that has nothing of its own, and an input whose rate falls with its fan-in.
SAME, SLOWED = "same", "slowed"


def role_space(optimizers: Sequence[OptimizerSpec], for_matrices: Sequence[OptimizerSpec]) -> Space:
    """The choices, in the form of a plugin's space; empty where no optimizer's rates could be followed.

    Args:
        optimizers: those of whole configurations.
        for_matrices: those that take matrices alone.
    """
    if not any(map(may_have_roles, optimizers)):
        return {}
    matrix = Categorical((SAME, *(spec.name for spec in for_matrices)), default=SAME)
    return {
        **({"matrix": matrix} if for_matrices else {}),
        "input": Categorical((SAME, SLOWED), default=SAME),
        "input.fan_in": Float(16.0, 256.0, log=True, default=64.0, when=When("input", among=(SLOWED,))),
    }


def may_have_roles(optimizer: OptimizerSpec) -> bool:
    """Whether roles may have something beside an optimizer; see `metaopt.configuration.assemble`."""
    return optimizer.has_lr and optimizer.meta is None


def chosen_roles(values: Mapping[str, Value]) -> dict[str, Role]:
    """Roles from values by the names in `role_space`."""
    roles = {}
    if values.get("matrix", SAME) != SAME:
        roles["matrix"] = Role(optimizer=str(values["matrix"]))
    if values.get("input", SAME) != SAME:
        roles["input"] = Role(fan_in=float(values["input.fan_in"]))
    return roles


def role_values(configuration: Configuration) -> dict[str, Value]:
    """The values from which `chosen_roles` makes a configuration's roles, by their full names."""
    matrix, slowed = configuration.roles.get("matrix", Role()), configuration.roles.get("input", Role())
    slows = {} if slowed.fan_in is None else {f"{OWNER}.input.fan_in": slowed.fan_in}
    return {f"{OWNER}.matrix": matrix.optimizer or SAME, f"{OWNER}.input": SLOWED if slows else SAME, **slows}
