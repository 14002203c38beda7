"""Antithetic evolution strategies over truncated trainings, with persistent noise or without (PES: Vicol et al. 2021).

Trainings run in pairs with weights θ + ε and θ − ε, ε drawn anew for each truncation:

    gradient = mean over pairs of ξ · (L⁺ − L⁻) / (2σ²),     ξ: the sum of ε since the training began (PES), or ε

L is the mean loss over the truncation, divided by the training's first loss, or the mean of the logarithm of that; late
steps may weigh more. PES is unbiased for the mean over whole trainings; ES sees no further than a truncation. Only the
inner loss is differentiated, so that horizons may be long and losses rough.
`metaopt.meta.estimators.parallel_trainings` has the trainings.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.contracts import Episodes, Theta
from metaopt.meta.estimators.contract import Estimate, EstimatorState
from metaopt.meta.estimators.parallel_trainings import Trainings


@dataclass(frozen=True)
class Evolution:
    """See the module.

    Attributes:
        trainings: what runs.
        deviation: σ.
        persistent: whether noise is summed up (PES).
        logarithmic: whether logarithms of losses count.
        late: a loss after a fraction f of its training counts (1 + late) · f^late times.
    """

    trainings: Trainings
    deviation: float
    persistent: bool = True
    logarithmic: bool = False
    late: float = 0.0

    @torch.no_grad()
    def estimate(
        self, theta: Theta, state: EstimatorState, generator: torch.Generator
    ) -> tuple[Estimate, EstimatorState]:
        """See `Estimator`; as many pairs as the task has episodes an iteration."""
        device, count = self.trainings.inner_loop.device, self.trainings.count
        # Drawn in the order of the names, so that the order in which a plugin fills its theta does not matter.
        noise = {
            name: self.deviation * torch.randn((count, *weights.shape), generator=generator).to(device)
            for name, weights in sorted(theta.items())
        }
        thetas = {name: torch.cat([mean + noise[name], mean - noise[name]]) for name, mean in theta.items()}
        trainings = {key: value for key, value in state.items() if key != "noise"}
        before, begun = self.trainings.current(thetas, trainings, generator)
        summed = _summed(state.get("noise", {}), noise, begun) if self.persistent else noise
        losses, carry = self.trainings.advanced(thetas, before, generator)
        after = self.trainings.after(before, losses, carry)
        step_values = self.trainings.values(losses, after, logarithmic=self.logarithmic)
        values = (step_values * self._weights(before)).mean(1)
        ahead = (values[:count] - values[count:]) / (2 * self.deviation**2 * count)
        gradient = {name: torch.tensordot(ahead.to(own.dtype), own, dims=1) for name, own in summed.items()}
        return Estimate(gradient, values.mean()), {**after, "noise": summed}

    def _weights(self, trainings: EstimatorState) -> Tensor:
        """The weight of each step of a truncation, shape (2 · pairs, steps); 1 on average over a training."""
        steps = torch.arange(self.trainings.truncation, device=trainings["step"].device) + 0.5
        done = (trainings["step"][:, None] + steps) / trainings["horizon"][:, None]
        weights: Tensor = (1 + self.late) * done**self.late
        return weights.repeat(2, 1)

    def metrics(self, theta: Theta, episodes: Episodes, num_steps: int) -> Tensor:
        """See `Estimator`."""
        return self.trainings.metrics(theta, episodes, num_steps)


def _summed(before: Mapping[str, Tensor], noise: Mapping[str, Tensor], begun: Tensor) -> dict[str, Tensor]:
    """The noise of each pair since its training began."""
    if not before:
        return dict(noise)
    goes_on = (~begun).to(torch.float32)
    return {name: before[name] * goes_on.reshape(-1, *[1] * (drawn.ndim - 1)) + drawn for name, drawn in noise.items()}
