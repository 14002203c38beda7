"""Projected conflicting gradients (PCGrad, Yu et al. 2020, algorithm 1).

    for each task i, and each other task j:   if g_i'ᵀ g_j < 0:   g_i' ← g_i' − (g_i'ᵀ g_j / |g_j|²) g_j
    g = mean of the g_i'

Each g_i' begins as g_i and loses what goes against another task's own gradient. The paper draws the order of the j at
random; here it is a turn through the others that begins one further on at each step, so that a run can be repeated.

When to use it: first among the surgeries: it has no hyperparameter, and where no two gradients are at odds it is the
plain mean.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams


def mix(
    gram: Tensor, state: dict[str, Tensor], hparams: TensorHparams, info: StepInfo
) -> tuple[Tensor, dict[str, Tensor]]:
    """Coefficients of the mean of the projected gradients; row i of `own` holds those of g_i'."""
    tasks = len(gram)
    place = torch.arange(tasks, device=gram.device)
    own = torch.eye(tasks, dtype=gram.dtype, device=gram.device)
    sizes = gram.diagonal().clamp(min=torch.finfo(gram.dtype).tiny)
    for turn in range(tasks - 1):
        other = (place + 1 + (info.step.long() + turn) % (tasks - 1)) % tasks
        is_other = other.unsqueeze(1) == place
        conflict = (own @ gram).clamp(max=0) / sizes
        own = torch.where(is_other, own - conflict, own)
    return own.mean(0), state


spec = metaopt.SurgerySpec(
    name="pcgrad",
    version="1",
    summary="Takes out of each task's gradient what goes against another's (PCGrad).",
    mix=mix,
    references=("https://arxiv.org/abs/2001.06782",),
)
