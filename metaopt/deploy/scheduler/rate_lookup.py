"""Rates by step that are known before training: of open-loop controllers, and of a warm-up in front of others."""

import math
from array import array
from typing import final

import torch
from torch import Tensor

from metaopt.contracts import Float32ByDefault, StepInfo, TensorHparams, warmup_horizon, warmup_multiplier
from metaopt.errors import PluginError
from metaopt.plugin import ControllerSpec

#: Length of a span: steps whose rates are computed together.
STEPS_AT_ONCE = 4096


class RateLookup:
    """A span of a table of rates, computed when a step in it is first asked for: 32 KiB, however long the plan.

    Spans begin at multiples of their length, so that a resumed run sees the same bits as an unbroken one.

    Args:
        spec: a controller of cadence `table`.
        hparams: its hyperparameters, 0-d, float64.
        total_steps: planned number of steps; past it the last rate holds. None where unknown.

    Attributes:
        is_absolute: whether these are rates rather than multipliers, from the first one on.
    """

    def __init__(self, spec: ControllerSpec, hparams: TensorHparams, total_steps: int | None) -> None:
        self._spec = spec
        self._hparams = hparams
        self._total_steps = total_steps
        self._first = 0
        self._rates = array("d")
        self.is_absolute = False

    def at(self, step: int) -> float:
        """The rate for the step after `step` completed ones."""
        if self._total_steps is not None and step > self._total_steps:
            step = self._total_steps
        place = step - self._first
        if not 0 <= place < len(self._rates):
            self._tabulate(step)
            place = step - self._first
        return self._rates[place]

    def _tabulate(self, step: int) -> None:
        self._first = step - step % STEPS_AT_ONCE
        left = STEPS_AT_ONCE if self._total_steps is None else min(STEPS_AT_ONCE, self._total_steps + 1 - self._first)
        table, self.is_absolute = rate_table(self._spec, self._hparams, self._total_steps, left, self._first)
        self._rates = array("d", table.to(torch.float64).contiguous().numpy().tobytes())


@final
class WarmUp:
    """Multipliers of the first steps: `metaopt.warmup_multiplier` as plain numbers, a span of steps at once.

    Args:
        share: of the planned steps; 0 for none.
        total_steps: planned number of steps, or None.

    Attributes:
        share: as given.
        end: the number of steps after which all multipliers are 1.
    """

    def __init__(self, share: float, total_steps: int | None) -> None:
        self.share = float(share)
        self._horizon = warmup_horizon(total_steps)
        self.end = math.ceil(self.share * self._horizon)
        self._first, self._span = 0, list[float]()

    def at(self, step: int) -> float:
        """Multiplier of the step after `step` completed ones."""
        if not 0 <= step < self.end:
            return 1.0
        place = step - self._first
        if not 0 <= place < len(self._span):
            self._first, place = step - step % STEPS_AT_ONCE, step % STEPS_AT_ONCE
            steps = torch.arange(self._first, min(self._first + STEPS_AT_ONCE, self.end), dtype=torch.float64)
            self._span = warmup_multiplier(
                steps, *torch.tensor([self._horizon, self.share], dtype=torch.float64)
            ).tolist()
        return self._span[place]


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
