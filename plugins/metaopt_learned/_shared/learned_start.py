"""A learned start: theta holds, under `start.<name>`, what each parameter begins as."""

from torch import Tensor

import metaopt
from metaopt import Hparams, Params, State, Tensors, Theta


class FromLearnedStart(metaopt.Rule):
    """A rule that begins where it learned to; abstract: `update` is to be written, and `init` if it remembers."""

    granularity = "tensor"

    def init(self, params: Params, hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """Nothing is remembered."""
        return {"tensors": {name: {} for name in params}, "shared": {}}

    def start(self, params: Params, theta: Theta) -> Tensors:
        """The learned start of each parameter, in its dtype."""
        return {name: of(theta, "start", name).to(param.dtype) for name, param in params.items()}


def start_theta(params: Params) -> Tensors:
    """A start that is where the model is."""
    return {f"start.{name}": param.detach().float().clone() for name, param in params.items()}


def of(theta: Theta, what: str, name: str) -> Tensor:
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
