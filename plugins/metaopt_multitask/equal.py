"""Equal weights: the plain mean of the losses.

    w_k = 1

When to use it: first, and where losses are of one kind. What other weightings and surgeries gain is measured against
it.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams


def weigh(
    losses: Tensor, state: dict[str, Tensor], hparams: TensorHparams, info: StepInfo
) -> tuple[Tensor, dict[str, Tensor]]:
    """1 for each task."""
    return torch.ones_like(losses), state


spec = metaopt.WeightingSpec(
    name="equal",
    version="1",
    summary="The plain mean of the tasks' losses.",
    weigh=weigh,
    proposed=False,  # what no weighting is, too
)
