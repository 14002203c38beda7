"""Rates of an open-loop controller by step."""

from array import array
from collections.abc import Mapping

import torch
from torch import Tensor

from metaopt.rates import rate_table
from metaopt.specs import ControllerSpec

#: Rows of the first table where no horizon is known; each further one has twice as many.
FIRST_ROWS = 1024


class RateLookup:
    """A table of rates, computed when it is first needed; 8 bytes a step.

    Where the horizon is unknown the table grows. A step's rate then comes from the smallest table that holds it, so
    that a resumed run sees the same bits as an unbroken one.

    Args:
        spec: a controller of cadence `table`.
        hparams: its hyperparameters, 0-d, float64.
        total_steps: planned number of steps; past it the last rate holds. None where unknown.
    """

    def __init__(self, spec: ControllerSpec, hparams: Mapping[str, Tensor], total_steps: int | None) -> None:
        self._spec = spec
        self._hparams = hparams
        self._total_steps = total_steps
        self._rows = array("d")

    def at(self, step: int) -> float:
        """The rate for the step after `step` completed ones."""
        if self._total_steps is not None:
            step = min(step, self._total_steps)
        if step >= len(self._rows):
            self._tabulate(step)
        return self._rows[step]

    def _tabulate(self, step: int) -> None:
        num_rows = FIRST_ROWS if self._total_steps is None else self._total_steps + 1
        while num_rows <= step:
            num_rows *= 2
        table, _ = rate_table(self._spec, self._hparams, self._total_steps, num_rows)
        self._rows = array("d", table.to(torch.float64).contiguous().numpy().tobytes())
