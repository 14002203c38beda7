"""Rates of an open-loop controller by step."""

from array import array

import torch

from metaopt.configuration import rate_table
from metaopt.contracts import TensorHparams
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
