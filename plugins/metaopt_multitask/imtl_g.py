"""Impartial gradients (IMTL-G, Liu et al. 2021, equation 6).

    u_k = g_k / |g_k|        g = Σ a_k g_k with Σ a_k = 1 and gᵀ u_1 = gᵀ u_2 = … = gᵀ u_K

The step has the same projection on every task's gradient, so that it favours none, whatever their lengths are.

When to use it: where the lengths of the tasks' gradients differ by far, and each task is to gain alike.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams


def mix(
    gram: Tensor, state: dict[str, Tensor], hparams: TensorHparams, info: StepInfo
) -> tuple[Tensor, dict[str, Tensor]]:
    """The a_k: a solution of U a = const, U_ij = u_iᵀ g_j, scaled to the sum 1; the mean where there is none."""
    lengths = gram.diagonal().double().clamp(min=1e-300).sqrt()
    cosines = gram.double() / lengths / lengths.unsqueeze(1)
    eye = torch.eye(len(gram), dtype=torch.float64, device=gram.device)
    solved, _ = torch.linalg.solve_ex(cosines + 1e-6 * eye, torch.ones_like(lengths).unsqueeze(1))
    shares = solved.squeeze(1) / lengths
    shares = shares / shares.sum()
    is_sound = torch.isfinite(shares).all()
    return torch.where(is_sound, shares, torch.full_like(shares, 1 / len(gram))).to(gram.dtype), state


spec = metaopt.SurgerySpec(
    name="imtl_g",
    version="1",
    summary="A step of equal projection on every task's gradient (IMTL-G).",
    mix=mix,
    references=("https://openreview.net/forum?id=IMPnRXEWpvr",),
)
