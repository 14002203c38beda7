"""Notices that training is lost: nothing that is measured or trained is finite any more."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from metaopt.contracts import Observation
from metaopt.deploy.stopping.recent_losses import RecentLosses


class Guard:
    """Says that training is lost, and from then on keeps saying so.

    It is once the metric is not finite, and neither are the weights or the last training loss: a metric alone may fail
    for its own reasons. Weights are read only then, since on a device that means waiting.

    Args:
        active: whether to look at all.

    Attributes:
        reason: one sentence that says why training is lost; empty while it is not.
    """

    def __init__(self, *, active: bool = True) -> None:
        self.reason = ""
        self._active = active

    def look(self, observation: Observation, params: Iterable[Tensor], losses: RecentLosses) -> None:
        """Take in one validation, with the parameters and training losses of the moment."""
        if not self._active or self.reason or math.isfinite(observation.value):
            return
        where = f"At step {observation.step} the metric is {observation.value} and"
        if not all(bool(torch.isfinite(param.detach()).all()) for param in params):
            self.reason = f"{where} the weights are no longer finite: training diverged."
        elif not losses.finite():
            self.reason = f"{where} the training loss is not finite: training diverged."
