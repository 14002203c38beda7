"""Whether training diverged, so that nothing of it can be saved."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.contracts import Observation
from metaopt.deploy.ranks.rank_group import RankGroup
from metaopt.deploy.ranks.weighted_means import agree_on_all
from metaopt.shards import local


@dataclass(eq=False)
class DivergenceCheck:
    """Says that training diverged, and from then on keeps saying so.

    It did once the metric is not finite, and neither are the weights or the last training loss: a metric alone may fail
    for its own reasons. Weights are read only then, since on a device that means waiting.

    Attributes:
        reason: one sentence that says why training is lost; empty while it is not.
    """

    reason: str = ""

    def look(
        self,
        observation: Observation,
        params: Iterable[Tensor],
        loss_is_finite: bool,
        ranks: RankGroup | None = None,
    ) -> None:
        """Take in a validation whose metric is not finite, with the parameters of the moment, on all ranks or none.

        Args:
            observation: the validation.
            params: the parameters in training.
            loss_is_finite: whether the last training loss is, on every rank.
            ranks: those that train the model, or None.
        """
        if self.reason:
            return
        where = f"At step {observation.step} the metric is {observation.value} and"
        finite = [bool(torch.isfinite(local(param.detach())).all()) for param in params]
        if not (all(finite) if ranks is None else agree_on_all(ranks, all(finite), observation.step)):
            self.reason = f"{where} the weights are no longer finite: training diverged."
        elif not loss_is_finite:
            self.reason = f"{where} the training loss is not finite: training diverged."
