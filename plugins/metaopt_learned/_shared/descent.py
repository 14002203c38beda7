"""Gradient descent from a learned start: the inner loop of MAML and its relatives.

    θ₀ = start,   θₜ₊₁ = θₜ − lr · g

What tells MAML, first-order MAML, Reptile and Proto-MAML apart is how the start is meta-trained, not this rule.
"""

from collections.abc import Mapping

import torch

import metaopt
from metaopt import Hparams, Params, State, StepInfo, Tensors, Theta
from metaopt_learned._shared.learned_start import FromLearnedStart, start_theta


class Descent(FromLearnedStart):
    """Gradient descent from a learned start. No state."""

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """−lr · g."""
        return {name: (-hparams[name]["lr"] * grad).to(params[name].dtype) for name, grad in grads.items()}, state


def init_theta(params: Params, generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """The start is where the model is before meta-training."""
    return start_theta(params)


#: Step size on a support set.
LR = metaopt.Float(1e-3, 1.0, log=True, default=0.01, valid="[0, inf)")
