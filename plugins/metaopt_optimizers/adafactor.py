"""Adafactor: steps divided by a second moment of few numbers (Shazeer & Stern 2018), as `torch.optim.Adafactor`.

    ρ = min(η, 1/√t),        α = max(ε2, RMS(w))·ρ
    R = β·R + (1-β)·mean of g² over columns,   C = β·C + (1-β)·mean of g² over rows,        β = 1 - t^τ
    V = R·C / max(mean(R), ε1)                  (of vectors and numbers V = β·V + (1-β)·g²)
    U = g / max(√V, ε1)
    w = w - η·λ·w - α·U / max(1, RMS(U)/d)

η is `lr`, τ `beta2_decay`, λ `weight_decay`; where `eps1` is 0, ε1 is the smallest number that 1 + ε1 tells from 1 in
the parameter's precision, as torch's None. Rows and columns are those of the last two dimensions. t ≥ 1 counts the
tensor's own steps. Since a step is a share of the weights' own size, rates are much larger than Adam's.

**Precision.** Everything is float32: a matrix of n rows and m columns keeps n + m numbers, a vector as many as it has.

When to use it: where memory for the optimizer is what is short. It keeps no momentum, so it wants a warm-up.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams, TensorState, Theta
from metaopt_optimizers._shared.moments import counter, root, shrunk, state_dtype, zeros


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    if param.ndim < 2:
        return {"step": counter(param), "variance": zeros(param)}
    blank = zeros(param)
    return {
        "step": counter(param),
        "row_var": torch.zeros_like(blank[..., :1]).expand(*param.shape[:-1], 1).clone(),
        "col_var": blank.new_zeros(()).expand(*param.shape[:-2], 1, param.shape[-1]).clone(),
    }


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    if not param.numel():
        return grad, state  # means of no numbers
    dtype = state_dtype(param)
    grad, wide = grad.to(dtype), param.to(dtype)
    step = state["step"] + 1
    least = torch.where(hparams["eps1"] > 0, hparams["eps1"], torch.finfo(dtype).eps).to(grad.device, dtype)
    moments, variance = _moments(grad.square(), state, step ** hparams["beta2_decay"].to(step.device), least)
    direction = grad * torch.maximum(variance, least * least).rsqrt()
    excess = (_rms(direction) / hparams["d"].to(grad.device, dtype)).clamp(min=1.0)
    share = torch.minimum(hparams["lr"], step.to(hparams["lr"].device, hparams["lr"].dtype).rsqrt())
    rate = torch.maximum(hparams["eps2"].to(grad.device, dtype), _rms(wide)) * share.to(grad.device, dtype)
    moved = shrunk(wide, hparams["lr"], hparams["weight_decay"]) - rate / excess * direction
    return moved - wide, {"step": step, **moments}


def _moments(square: Tensor, state: TensorState, weight: Tensor, least: Tensor) -> tuple[TensorState, Tensor]:
    """The new moments, and the second moment of each number that they come to."""
    weight = weight.to(square.dtype)
    if "variance" in state:
        variance = torch.lerp(state["variance"], square, weight)
        return {"variance": variance}, variance
    rows = torch.lerp(state["row_var"], square.mean(-1, keepdim=True), weight)
    columns = torch.lerp(state["col_var"], square.mean(-2, keepdim=True), weight)
    mean = torch.maximum(rows.mean(-2, keepdim=True), least)
    return {"row_var": rows, "col_var": columns}, rows * columns / mean


def _rms(tensor: Tensor) -> Tensor:
    return root(tensor.square().mean())


def _arguments(hparams: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in hparams.items() if name not in ("eps1", "eps2")}
    return {**own, "eps": (hparams["eps1"] or None, hparams["eps2"])}


#: Adafactor as a pure rule. State: `step`, 0-d; `variance`, of the parameter's shape, or where it has two dimensions
#: and more `row_var` and `col_var`, of its shape with one column, and with one row.
rule = metaopt.per_tensor(_init, _update, granularity="tensor")

spec = metaopt.OptimizerSpec(
    name="adafactor",
    version="1",
    summary="Steps divided by a second moment that is kept as rows and columns.",
    rule=rule,
    native=metaopt.Native(
        module="torch.optim", qualname="Adafactor", arguments=_arguments, nones={"eps1": 0.0}, takes_empty=False
    ),
    packs={"eps": ("eps1", "eps2")},
    proposed=False,
    space={
        "lr": metaopt.Float(1e-3, 1.0, log=True, default=1e-2, valid="[0, inf)"),
        "beta2_decay": metaopt.Float(-0.9, -0.6, default=-0.8, valid="[-1, 0]"),
        "eps1": metaopt.Float(0.0, 0.0, default=0.0, valid="[0, 1)"),
        "eps2": metaopt.Float(1e-4, 1e-2, log=True, default=1e-3, valid="[0, inf)"),
        "d": metaopt.Float(1.0, 1.0, default=1.0, valid="(0, inf)"),
        "weight_decay": metaopt.Float(1e-5, 1.0, log=True, default=0.0, valid="[0, inf)"),
    },
    rate_law=metaopt.RateLaw(),
    references=(
        "https://arxiv.org/abs/1804.04235",
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Adafactor.html",
    ),
)
