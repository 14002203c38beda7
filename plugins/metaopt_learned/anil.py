"""ANIL, almost no inner loop: MAML that adapts the last layer alone (Raghu et al. 2020).

    head: θₜ₊₁ = θₜ − lr · g,   all others: as they were learned

The head is the module that gives the output. Theta keeps which parameters it is, as `adapts.<name>`: 1 or 0.

When to use it: as `maml`, when tasks differ in their classes and share their features: only the last layer adapts,
which is faster.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

import metaopt
from metaopt import Hparams, Params, State, StepInfo, TensorHparams, Tensors, Theta
from metaopt_learned._shared.descent import LR
from metaopt_learned._shared.learned_start import FromLearnedStart, of, start_theta


class HeadDescent(FromLearnedStart):
    """Gradient descent of the head from a learned start. No state."""

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """−lr · g for the head, 0 for all other parameters."""
        return {
            name: self._update(name, grad, params[name], hparams[name], theta) for name, grad in grads.items()
        }, state

    def _update(self, name: str, grad: Tensor, param: Tensor, hparams: TensorHparams, theta: Theta) -> Tensor:
        # The mask is part of theta so that it travels with a recipe; meta-training must not change it.
        return (-hparams["lr"] * of(theta, "adapts", name).detach() * grad).to(param.dtype)


def init_theta(params: Params, generator: torch.Generator, hparams: Mapping[str, metaopt.Value]) -> Tensors:
    """The start, and a 1 or 0 for each parameter: whether it belongs to the head."""
    head = list(params)[-1].rpartition(".")[0]
    adapts = {f"adapts.{name}": torch.tensor(float(name.rpartition(".")[0] == head)) for name in params}
    return {**start_theta(params), **adapts}


spec = metaopt.OptimizerSpec(
    name="anil",
    version="1",
    summary="A learned start of which only the last layer adapts.",
    rule=HeadDescent(),
    space={"lr": LR},
    meta=metaopt.MetaTraining(init_theta=init_theta, orders=("second", "first")),
    references=("https://arxiv.org/abs/1909.09157",),
)
