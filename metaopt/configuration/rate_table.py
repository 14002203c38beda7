"""Learning rates of open-loop controllers, computed once for all steps and then looked up."""

import torch
from torch import Tensor

from metaopt.contracts import Float32ByDefault, StepInfo, TensorHparams
from metaopt.errors import PluginError
from metaopt.plugin import ControllerSpec


@Float32ByDefault()
def rate_table(
    spec: ControllerSpec, hparams: TensorHparams, horizon: int | None, num_steps: int, first: int = 0
) -> tuple[Tensor, bool]:
    """Rates of a controller of cadence `table` at steps first … first + num_steps − 1.

    Args:
        spec: the controller.
        hparams: its hyperparameters, 0-d, or all of shape (members,).
        horizon: planned number of steps, or None where nobody knows it.
        num_steps: how many steps to tabulate.
        first: the step to begin with.

    Returns:
        Rates of shape (num_steps,), or (members, num_steps), in the dtype of the hyperparameters, and whether they
        are absolute rather than multipliers.

    Raises:
        PluginError: the controller gives a rate for each parameter's name.
    """
    absolute: list[bool] = []

    def rate_at(step: Tensor, values: TensorHparams) -> Tensor:
        plan = None if horizon is None else torch.tensor(float(horizon), dtype=torch.float64)
        info = StepInfo(step=step, horizon=plan)
        rate, _ = spec.controller.update(spec.controller.init(values), info, values)
        absolute.append(rate.absolute)
        if not isinstance(rate.value, Tensor):
            raise PluginError(
                f"The controller {spec.name!r} gives a rate for each parameter's name; a scheduler needs one for all."
            )
        # A constant rate that ignores the step still needs a place to hang the step axis on.
        return rate.value + 0 * step

    steps = torch.arange(first, first + num_steps, dtype=torch.float64)
    over_steps = torch.vmap(rate_at, in_dims=(0, None))
    batched = any(value.ndim for value in hparams.values())
    table = torch.vmap(over_steps, in_dims=(None, 0))(steps, dict(hparams)) if batched else over_steps(steps, hparams)
    return table, absolute[0]
