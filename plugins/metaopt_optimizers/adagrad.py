"""Adagrad, as `torch.optim.Adagrad`.

    g' = g + λ·w
    a  = a + g'²,                          a_0 = initial_accumulator_value
    w  = w - η/(1 + (t-1)·δ) · g' / (√a + ε)

η is `lr`, δ `lr_decay`, λ `weight_decay` (coupled), ε `eps`; t ≥ 1 counts the tensor's own steps.

When to use it: for sparse gradients (`nn.Embedding(sparse=True)`, which it takes without weight decay) and convex
problems. Its steps only shrink, so long trainings of deep networks do better with `adamw`.
"""

import torch
from torch import Tensor

import metaopt
from metaopt import StepInfo, TensorHparams, TensorState, Theta
from metaopt_optimizers._shared.moments import add_scaled, counter, root, state_dtype, zeros


def _init(param: Tensor, hparams: TensorHparams, theta: Theta, horizon: Tensor | None) -> TensorState:
    initial = hparams["initial_accumulator_value"]
    return {"step": counter(param), "sum": (zeros(param) + initial).to(state_dtype(param))}


def _update(
    grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams, theta: Theta, info: StepInfo
) -> tuple[Tensor, TensorState]:
    dtype = state_dtype(param)
    step = state["step"]
    decayed_grad = add_scaled(grad.to(dtype), hparams["weight_decay"], param.to(dtype))
    total = torch.addcmul(state["sum"], decayed_grad, decayed_grad)
    rate = hparams["lr"] / (1 + step * hparams["lr_decay"])
    return -rate * (decayed_grad / (root(total) + hparams["eps"])), {"step": step + 1, "sum": total}


#: Adagrad as a pure rule. State: `sum`, of the parameter's shape, and `step`, 0-d.
rule = metaopt.per_tensor(_init, _update)

spec = metaopt.OptimizerSpec(
    name="adagrad",
    version="1",
    summary="Steps divided by the root of the sum of all squared gradients.",
    rule=rule,
    # Before 2.13 torch's fused Adagrad may lack its CUDA kernel.
    native=metaopt.Native(module="torch.optim", qualname="Adagrad", fused=torch.__version__ >= "2.13"),
    space={
        "lr": metaopt.Float(1e-4, 1.0, log=True, default=1e-2, valid="[0, inf)"),
        # A controller decays the rate: tuning leaves this one alone.
        "lr_decay": metaopt.Float(0.0, 0.0, default=0.0, valid="[0, inf)"),
        "initial_accumulator_value": metaopt.Float(1e-6, 1e-1, log=True, default=0.0, valid="[0, inf)"),
        "eps": metaopt.Float(1e-10, 1e-6, log=True, default=1e-10, valid="[1e-15, inf)"),
        "weight_decay": metaopt.Float(1e-6, 1e-2, log=True, default=0.0, valid="[0, inf)"),
    },
    references=(
        "https://jmlr.org/papers/v12/duchi11a.html",
        "https://pytorch.org/docs/stable/generated/torch.optim.Adagrad.html",
    ),
)
