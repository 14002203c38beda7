"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al. 2024), as the authors' code computes it.

For a matrix G of gradients, with t counting the tensor's own gradients from 0:

    L = β_s·L + (1-β_s)·G·Gᵀ,    R = β_s·R + (1-β_s)·Gᵀ·G
    G' = Q_Lᵀ·G·Q_R,    M = β1·M + (1-β1)·G',    V = β2·V + (1-β2)·G'²
    N = Q_L · (M / (√V + ε)) · Q_Rᵀ
    W = (W - η·√(1-β2^t)/(1-β1^t)·N)·(1 - η·λ)

η is `lr`, λ `weight_decay`, β_s `shampoo_beta`, or β2 where that is negative. A step moves W with the bases Q of the
gradients before it; the first gradient moves nothing and makes the first bases, the eigenvectors of L and R. After
every t that `precondition_frequency` divides they are brought up to date by a power iteration and a QR decomposition,
Q = qr(L·Q) with the columns in the order of diag(QᵀLQ), largest first; V's rows and columns are put in the same order
and M is turned into the new bases.

A tensor of more dimensions has a basis for each of them. `merge_dims` takes neighbouring dimensions for one while their
product is at most `max_precond_dim`: a kernel of 64 × 32 × 3 × 3 has four bases without it, and two with it and a limit
of 2048, of 64·32 and 3·3. A dimension larger than `max_precond_dim` has none, nor have numbers, nor vectors unless
`precondition_1d` is on: there it is Adam.

**Precision.** The state is float32: a matrix of n rows and m columns keeps 2·(n² + m²) numbers beside its two moments.
QR is float32 for float64 parameters too, as in the authors' code. Where a basis has more columns than there were
gradients to tell them apart, which of them are taken is a matter of the last digit, there as here: runs of one seed
part on two machines. On a GPU each step waits for the count of each tensor with a basis.

When to use it: for the hidden matrices of transformers, where steps are dear against the optimizer's own work: products
with both bases at every step and a QR decomposition at every tenth. Rates are those of AdamW, or some higher.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import final

import torch
from torch import Tensor

import metaopt
from metaopt import Granularity, Hparams, Params, State, StepInfo, TensorHparams, Tensors, TensorState, Theta
from metaopt_optimizers._shared.moments import (
    bias_correction,
    counter,
    decayed,
    root,
    shrunk,
    state_dtype,
    zeros,
)


@final
@dataclass(frozen=True)
class Soap(metaopt.Rule):
    """SOAP as a pure rule.

    State of a tensor: `step`, 0-d; `exp_avg` in the eigenbasis and `exp_avg_sq`, of its shape; and for each dimension
    with a basis, of n rows, its statistics `GG0`, `GG1`, … and basis `Q0`, `Q1`, …, of shape (n, n).

    Args:
        max_precond_dim: largest dimension with a basis.
        merge_dims: whether neighbouring dimensions count as one up to that size.
        precondition_1d: whether vectors have a basis.
    """

    max_precond_dim: int = 10000
    merge_dims: bool = False
    precondition_1d: bool = False

    @property
    def granularity(self) -> Granularity:  # type: ignore[override]
        """Each tensor by itself."""
        return "tensor"

    def init(self, params: Params, hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """No moments, statistics and bases."""
        return {"tensors": {name: self._begun(param) for name, param in params.items()}, "shared": {}}

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """One step of the tensors that have gradients."""
        tensors, updates = dict(state["tensors"]), {}
        for name, grad in grads.items():
            updates[name], tensors[name] = self._step(grad, tensors[name], params[name], hparams[name])
        return updates, {"tensors": tensors, "shared": state["shared"]}

    def _begun(self, param: Tensor) -> TensorState:
        blank = zeros(param)
        state = {"step": counter(param), "exp_avg": blank, "exp_avg_sq": blank.clone()}
        for dim, size in enumerate(self._sizes(param)):
            if self._has_basis(param, size):
                state[f"GG{dim}"] = blank.new_zeros(size, size)
                state[f"Q{dim}"] = blank.new_zeros(size, size)
        return state

    def _step(
        self, grad: Tensor, state: TensorState, param: Tensor, hparams: TensorHparams
    ) -> tuple[Tensor, TensorState]:
        if not param.numel():
            return grad.to(param.dtype), state
        sizes, step, dtype = self._sizes(param), state["step"], state_dtype(param)
        grad, wide = grad.to(dtype).reshape(sizes), param.to(dtype)
        bases = [state.get(f"Q{dim}", grad.new_zeros(0, 0)) for dim in range(len(sizes))]
        moves = step > 0
        first, second = (state[key].reshape(sizes) for key in ("exp_avg", "exp_avg_sq"))
        seen = _turned(grad, bases)
        first = _followed(first, seen, hparams["beta1"], moves)
        second = _followed(second, seen.square(), hparams["beta2"], moves)
        eps, rate = (value.to(grad.device, dtype) for value in (hparams["eps"], moves * _rate(step, hparams)))
        ahead = _turned(first / (root(second) + eps), bases, back=True).reshape(param.shape)
        update = (shrunk(wide - rate * ahead, moves * hparams["lr"], hparams["weight_decay"]) - wide).to(param.dtype)
        statistics = self._statistics(grad, state, hparams)
        if statistics:
            due = torch.remainder(step, hparams["precondition_frequency"].to(step.device, step.dtype)) == 0
            given = [statistics.get(f"GG{dim}", grad.new_zeros(0, 0)) for dim in range(len(sizes))]
            first, second, *bases = metaopt.lazy_where(due, _renewed, [first, second, *bases], ~moves, *given)
        moments = {"exp_avg": first.reshape(param.shape), "exp_avg_sq": second.reshape(param.shape)}
        turned = {f"Q{dim}": basis for dim, basis in enumerate(bases) if basis.numel()}
        return update, {"step": step + 1, **moments, **statistics, **turned}

    def _statistics(self, grad: Tensor, state: TensorState, hparams: TensorHparams) -> TensorState:
        beta = torch.where(hparams["shampoo_beta"] < 0, hparams["beta2"], hparams["shampoo_beta"])
        return {
            f"GG{dim}": decayed(state[f"GG{dim}"], _products(grad, dim), beta)
            for dim in range(grad.ndim)
            if f"GG{dim}" in state
        }

    def _has_basis(self, param: Tensor, size: int) -> bool:
        return 0 < size <= self.max_precond_dim and (param.ndim > 1 or self.precondition_1d) and param.numel() > 0

    def _sizes(self, param: Tensor) -> tuple[int, ...]:
        """The shape, with dimensions merged."""
        if not self.merge_dims or param.ndim < 2:
            return tuple(param.shape)
        merged: list[int] = [1]
        for size in param.shape:
            if merged[-1] * size > self.max_precond_dim:
                merged.append(size)
            else:
                merged[-1] *= size
        return tuple(size for size in merged if size > 1) or (prod(param.shape),)


def _followed(average: Tensor, value: Tensor, beta: Tensor, moves: Tensor) -> Tensor:
    """A decaying average that waits for the first basis."""
    return torch.lerp(average, value, (moves * (1 - beta)).to(average.device, average.dtype))


def _rate(step: Tensor, hparams: TensorHparams) -> Tensor:
    """η·√(1-β2^t)/(1-β1^t)."""
    count = step.clamp(min=1.0)
    first, second = (bias_correction(hparams[name], count) for name in ("beta1", "beta2"))
    return hparams["lr"] * second.sqrt() / first


def _products(grad: Tensor, dim: int) -> Tensor:
    """G·Gᵀ, where G has the dimension for rows and the others for columns."""
    others = [*range(dim), *range(dim + 1, grad.ndim)]
    products: Tensor = torch.tensordot(grad, grad, dims=(others, others))
    return products


def _turned(tensor: Tensor, bases: Sequence[Tensor], back: bool = False) -> Tensor:
    """A tensor in the bases of its dimensions, or back; a basis without numbers leaves its dimension as it is."""
    for basis in bases:
        tensor = torch.tensordot(tensor, basis, dims=([0], [int(back)])) if basis.numel() else tensor.movedim(0, -1)
    return tensor


def _renewed(operands: Sequence[Tensor], is_first: Tensor, *statistics: Tensor) -> list[Tensor]:
    """Moments and bases by statistics that have changed: those of the first gradient, or a power iteration further."""
    first, second, *bases = operands
    if is_first:  # what `lazy_where` calls may look at values
        return [first, second, *[_eigenvectors(matrix) if matrix.numel() else matrix for matrix in statistics]]
    first = _turned(first, bases, back=True)
    for dim, (matrix, basis) in enumerate(zip(statistics, bases, strict=True)):
        if basis.numel():
            product = matrix @ basis
            order = torch.argsort((basis * product).sum(0), descending=True)
            second = second.index_select(dim, order)
            bases[dim] = torch.linalg.qr(product.index_select(1, order).float())[0].to(basis.dtype)
    return [_turned(first, bases), second, *bases]


def _eigenvectors(matrix: Tensor) -> Tensor:
    """A basis of eigenvectors, those of the largest eigenvalues first; the identity for what is not finite."""
    finite = torch.where(matrix.isfinite().all(), matrix, 0.0)
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    vectors: Tensor = torch.linalg.eigh(finite + 1e-30 * identity)[1]
    return vectors.flip(1)


spec = metaopt.OptimizerSpec(
    name="soap",
    version="1",
    summary="Adam in the eigenbasis of Shampoo's preconditioner.",
    rule=Soap(),
    packs={"betas": ("beta1", "beta2")},
    proposed=False,
    structural=("max_precond_dim", "merge_dims", "precondition_1d"),
    space={
        "lr": metaopt.Float(1e-4, 3e-2, log=True, default=3e-3, valid="[0, inf)"),
        "beta1": metaopt.Float(0.8, 0.99, default=0.95, valid="[0, 1)"),
        "beta2": metaopt.Float(0.9, 0.999, default=0.95, valid="[0, 1)"),
        "shampoo_beta": metaopt.Float(-1.0, -1.0, default=-1.0, valid="[-1, 1)"),
        "eps": metaopt.Float(1e-8, 1e-8, default=1e-8, valid="[1e-15, inf)"),
        "weight_decay": metaopt.Float(1e-5, 1.0, log=True, default=1e-2, valid="[0, inf)"),
        "precondition_frequency": metaopt.Int(10, 10, default=10, valid="[1, 1e6]"),
        "max_precond_dim": metaopt.Int(10000, 10000, default=10000, valid="[0, 1e6]"),
        "merge_dims": metaopt.Categorical((False, True), proposed=(False,)),
        "precondition_1d": metaopt.Categorical((False, True), proposed=(False,)),
    },
    rate_law=metaopt.RateLaw(),
    references=("https://arxiv.org/abs/2409.11321", "https://github.com/nikhilvyas/SOAP"),
)
