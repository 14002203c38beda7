"""A learned start: theta holds, under `start.<name>`, what each parameter begins as."""

from collections.abc import Mapping

from torch import Tensor

import metaopt


def start_theta(params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A start that is where the model is."""
    return {f"start.{name}": param.detach().float().clone() for name, param in params.items()}


def start_of(params: Mapping[str, Tensor], theta: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The learned start of each parameter, in its dtype."""
    return {name: of(theta, "start", name).to(param.dtype) for name, param in params.items()}


def of(theta: Mapping[str, Tensor], what: str, name: str) -> Tensor:
    """What was learned for a parameter.

    Raises:
        InputError: nothing was.
    """
    found = theta.get(f"{what}.{name}")
    if found is None:
        known = sorted(key.removeprefix(f"{what}.") for key in theta if key.startswith(f"{what}."))
        raise metaopt.InputError(
            f"Nothing was learned for the parameter {name!r}, but for {known}: give the optimizer a model whose "
            "parameters have these names, the model itself rather than its parameters()."
        )
    return found
