"""The likelihood-ratio policy gradient over truncated trainings (REINFORCE: Williams 1992), with a baseline from pairs.

A rule decides at random: at step t it takes its decision plus σε_t. Pairs of trainings have one start, the same batches
and opposite noise, so that each is the other's baseline:

    gradient = −mean over pairs of Σ_t ½(R_t⁺ − R_t⁻) · (ε_t / σ) · ∇_θ(d_t⁺ + d_t⁻)/2,      R_t = ℓ_t − ℓ_end

d_t is the decision without noise, differentiated through the rule's recurrent state but not through the training, which
needs no derivative; ℓ are the losses' logarithms over the first one's, so that a reward is the decrease of the log-loss
of a step, and R_t all that is still to come in the truncation, whose last tenth counts as its end. What comes after the
truncation is not seen.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad

from metaopt.contracts import Episodes, Policy, Tensors, Theta
from metaopt.meta.estimators.contract import Estimate, EstimatorState
from metaopt.meta.estimators.parallel_trainings import Trainings


@dataclass(frozen=True)
class PolicyGradient:
    """See the module.

    Attributes:
        trainings: what runs.
        policy: what the rule decides.
        deviation: σ.
    """

    trainings: Trainings
    policy: Policy
    deviation: float

    def estimate(
        self, theta: Theta, state: EstimatorState, generator: torch.Generator
    ) -> tuple[Estimate, EstimatorState]:
        """See `Estimator`; as many pairs as the task has episodes an iteration."""
        count, steps, device = self.trainings.count, self.trainings.truncation, self.trainings.inner_loop.device
        drawn = torch.randn((count, steps, *self.policy.shape), generator=generator).to(device)
        noise = torch.cat([drawn, -drawn])
        with torch.no_grad():
            rows = {name: weights.expand(2 * count, *weights.shape).contiguous() for name, weights in theta.items()}
            thetas = {**rows, Policy.NOISE: self.deviation * noise}
            before, _ = self.trainings.current(thetas, state, generator)
            begins = {key: before["rule"]["shared"][key] for key in self.policy.begins}
            losses, carry = self.trainings.advanced(thetas, before, generator)
            after = self.trainings.after(before, losses, carry)
            values = self.trainings.values(losses, after, logarithmic=True)
            to_come = values - values[:, -max(1, steps // 10) :].mean(1, keepdim=True)
            ahead = (to_come[:count] - to_come[count:]) / 2
            weights = torch.cat([ahead, -ahead])
            trace = {key: carry[1]["shared"][key] for key in self.policy.trace}

        def surrogate(theta: Tensors) -> Tensor:
            decided = torch.vmap(self.policy.decisions, in_dims=(None, 0, 0))(theta, begins, trace)
            along = (decided * noise).reshape(2 * count, steps, -1).sum(2)
            return -(along * weights).sum(1).mean() / self.deviation

        gradient = grad(surrogate)({name: weights.detach() for name, weights in theta.items()})
        return Estimate(gradient, values.mean()), after

    @torch.no_grad()
    def metrics(self, theta: Theta, episodes: Episodes, num_steps: int) -> Tensor:
        """See `Estimator`; without noise."""
        return self.trainings.metrics(theta, episodes, num_steps)
