"""Conflict-averse gradients (CAGrad, Liu et al. 2021, algorithm 1).

    w* = argmin over the simplex of  g_wᵀ g_0 + c |g_0| |g_w|,   g_w = Σ w_k g_k,   g_0 = mean of the g_k
    g = (g_0 + c |g_0| g_w* / |g_w*|) / (1 + c)

Within a ball of radius c |g_0| around the mean, g is the step that the worst-served task gains most from; the division
keeps its length near that of the mean. The w are found by mirror descent on the inner products, in a fixed number of
steps of a size that shrinks, where the authors call a solver.

When to use it: where one task lags behind the others under the plain mean; with c = 0 it is that mean.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams

#: Steps of mirror descent: coefficients are then within a hundredth of the solver's.
STEPS = 24


def mix(
    gram: Tensor, state: dict[str, Tensor], hparams: TensorHparams, info: StepInfo
) -> tuple[Tensor, dict[str, Tensor]]:
    """(1 / tasks + c |g_0| w* / |g_w*|) / (1 + c)."""
    tiny = torch.finfo(gram.dtype).tiny
    tasks = len(gram)
    gram = gram / gram.diagonal().mean().clamp(min=tiny)  # what comes out does not depend on the scale
    toward = gram.mean(0)
    radius = hparams["c"] * toward.mean().clamp(min=0).sqrt()
    scores = torch.zeros_like(toward)
    for step in range(STEPS):
        weights = torch.softmax(scores, 0)
        along = gram @ weights
        length = (weights @ along).clamp(min=1e-12).sqrt()
        slope = toward + radius * along / length
        scores = scores - 8.0 / (1 + step) ** 0.5 * (slope - (weights @ slope))
    weights = torch.softmax(scores, 0)
    length = (weights @ gram @ weights).clamp(min=1e-12).sqrt()
    return (1 / tasks + radius * weights / length) / (1 + hparams["c"]), state


spec = metaopt.SurgerySpec(
    name="cagrad",
    version="1",
    summary="The step near the mean that the worst-served task gains most from (CAGrad).",
    mix=mix,
    space={"c": metaopt.Float(0.1, 1.0, default=0.5, valid="[0, 1]")},
    references=("https://arxiv.org/abs/2110.14048",),
)
