"""Which tensors an optimizer takes, checked for those of a role."""

from collections.abc import Sequence

from metaopt.configuration.assembly import Assembly
from metaopt.errors import InputError


def check_takes(assembly: Assembly, role: str | None, shape: Sequence[int]) -> None:
    """Refuse a vector for an optimizer that takes matrices.

    Args:
        assembly: the optimizers.
        role: of the tensor, or None.
        shape: of the tensor.

    Raises:
        InputError: the role's optimizer does not take it.
    """
    spec = assembly.at(role).optimizer
    if spec.takes == "all" or len(shape) > 1:
        return
    remedy = "give it a role whose optimizer takes vectors"
    if spec is assembly.optimizer:
        remedy = (
            f"write roles={{'matrix': {{'optimizer': {spec.name!r}}}}} around another optimizer, such as 'adamw', that "
            "takes the rest"
        )
    raise InputError(
        f"{spec.name!r} takes tensors of two dimensions and more, and was given one of shape {tuple(shape)}; {remedy}."
    )
