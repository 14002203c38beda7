"""Reptile's meta-gradient: from where inner loops end to where they began (Nichol et al. 2018)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import vjp

from metaopt.contracts import Episodes, Theta
from metaopt.meta.estimators.contract import Estimate, EstimatorState
from metaopt.meta.unrolls import Unrolls
from metaopt.meta.vmapped_episode import Window


@dataclass(frozen=True)
class Reptile:
    """θ − mean of the adapted parameters, for the learned start; 0 for everything else in theta.

    Attributes:
        unrolls: the inner loops of a rule that learns its start.
        num_steps: of an inner loop.
    """

    unrolls: Unrolls
    num_steps: int

    def estimate(
        self, theta: Theta, state: EstimatorState, generator: torch.Generator
    ) -> tuple[Estimate, EstimatorState]:
        """See `Estimator`."""
        task, inner_loop = self.unrolls.inner_loop.task, self.unrolls.inner_loop
        episodes = inner_loop.draw_episodes(task.episodes_per_iteration, generator)
        batches = inner_loop.draw_batches(episodes, self.num_steps, generator)
        window = Window(episodes, batches, 0, self.num_steps, self.num_steps)
        starts = self.unrolls.draw_starts(len(episodes), generator)
        (params, _), losses, _ = self.unrolls.adapted(dict(theta), window, starts)
        rule = inner_loop.assembly.rule
        began, pull, *_ = vjp(lambda theta: rule.start(inner_loop.parameters, theta), dict(theta))
        gradient = pull({name: begin - params[name].mean(0) for name, begin in began.items()})[0]
        return Estimate(gradient, losses.mean()), {}

    def metrics(self, theta: Theta, episodes: Episodes, num_steps: int) -> Tensor:
        """See `Estimator`."""
        return self.unrolls.metrics(dict(theta), episodes, num_steps)
