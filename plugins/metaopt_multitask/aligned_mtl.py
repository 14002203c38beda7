"""Aligned gradients (Aligned-MTL, Senushkin et al. 2023, algorithm 1).

    G = V Λ Vᵀ, G_ij = g_iᵀ g_j        B = √λ_min V Λ^-½ Vᵀ        g = Σ_k (B w)_k g_k,   w_k = 1 / tasks

B makes the gradients orthogonal and equally long, the closest that are: their matrix then has the condition number 1,
so that no task dominates and none is at odds with another. λ_min is the smallest eigenvalue above rounding; directions
below it are left out.

When to use it: where losses have different scales as well as directions; it is a closed form, and its step is as long
as the least certain direction, so that the learning rate may be larger.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams


def mix(
    gram: Tensor, state: dict[str, Tensor], hparams: TensorHparams, info: StepInfo
) -> tuple[Tensor, dict[str, Tensor]]:
    """B w."""
    tasks = len(gram)
    values, vectors = torch.linalg.eigh(gram.double())
    least = values.amax() * tasks * torch.finfo(gram.dtype).eps
    is_kept = values > least.clamp(min=torch.finfo(torch.float64).tiny)
    smallest = torch.where(is_kept, values, torch.inf).amin()
    shares = torch.where(is_kept, (smallest / values.clamp(min=1e-300)).sqrt(), 0.0)
    aligned = (vectors * shares) @ vectors.sum(0) / tasks
    return torch.where(is_kept.any(), aligned, torch.zeros_like(aligned)).to(gram.dtype), state


spec = metaopt.SurgerySpec(
    name="aligned_mtl",
    version="1",
    summary="Makes the tasks' gradients orthogonal and equally long before their mean is taken (Aligned-MTL).",
    mix=mix,
    references=("https://arxiv.org/abs/2305.19000",),
)
