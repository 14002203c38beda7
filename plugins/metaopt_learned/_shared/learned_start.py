"""A learned start: theta holds, under `start.<name>`, what each parameter begins as."""

from torch import Tensor

import metaopt
from metaopt import Hparams, Params, State, Tensors, Theta


class FromLearnedStart(metaopt.Rule):
    """A rule with a learned start; abstract: subclasses write `update`, and `init` if they keep a state."""

    granularity = "tensor"

    def init(self, params: Params, hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """An empty state."""
        return {"tensors": {name: {} for name in params}, "shared": {}}

    def start(self, params: Params, theta: Theta) -> Tensors:
        """The learned start of each parameter, in its dtype."""
        return {name: of(theta, "start", name).to(param.dtype) for name, param in params.items()}


def start_theta(params: Params) -> Tensors:
    """The model's parameters as the start."""
    return {f"start.{name}": param.detach().float().clone() for name, param in params.items()}


def of(theta: Theta, what: str, name: str) -> Tensor:
    """The learned tensor of a parameter.

    Raises:
        InputError: nothing was learned for the parameter.
    """
    learned = theta.get(f"{what}.{name}")
    if learned is None:
        known = sorted(key.removeprefix(f"{what}.") for key in theta if key.startswith(f"{what}."))
        raise metaopt.InputError(
            f"Nothing was learned for the parameter {name!r}, but for {known}: give the optimizer a model whose "
            "parameters have these names, the model itself rather than its parameters()."
        )
    return learned
