"""The contract of what estimates a meta-gradient: backpropagation, Reptile, evolution strategies, policy gradients."""

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from metaopt.contracts import Episodes, Tensors, Theta

#: What an estimator carries from one call to the next: plain dicts of tensors and numbers, kept in checkpoints.
EstimatorState: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Estimate:
    """What one call found.

    Attributes:
        gradient: of the meta-objective, by theta's names; what the outer optimizer goes down along.
        objective: of the episodes it saw, 0-d.
        running: entries of theta that no gradient moves, such as running statistics, as they are now.
    """

    gradient: Tensors
    objective: Tensor
    running: Tensors = field(default_factory=dict)


class Estimator(Protocol):
    """Estimates the gradient of a meta-objective with respect to theta."""

    def estimate(
        self, theta: Theta, state: EstimatorState, generator: torch.Generator
    ) -> tuple[Estimate, EstimatorState]:
        """One estimate, on episodes drawn from the generator.

        Args:
            theta: learned weights.
            state: what the last call returned; empty at the first, and whenever the inner loops shall begin anew.
            generator: of everything random.
        """
        ...

    def metrics(self, theta: Theta, episodes: Episodes, num_steps: int) -> Tensor:
        """The metric of each episode after so many steps, lower is better, shape (episodes,)."""
        ...
