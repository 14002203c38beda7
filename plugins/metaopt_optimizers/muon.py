"""Muon: momentum, made orthogonal (Jordan et al. 2024), as `torch.optim.Muon`.

    B = μ·B + (1-μ)·G
    D = (1-μ)·G + μ·B  under `nesterov`, else B
    O = NS(D)
    W = W - η·λ·W - η·s·O

η is `lr`, λ `weight_decay`, μ `momentum`. NS is `ns_steps` rounds of X ← a·X + (b·A + c·A²)·X with A = X·Xᵀ, from
X = D/max(‖D‖, ε): it moves all singular values to about 1. For a matrix of n rows and m columns s is √max(1, n/m)
where `adjust_lr_fn` is `original`, and 0.2·√max(n, m) where it is `match_rms_adamw`, with which rates and decays that
were tuned for AdamW fit (Liu et al. 2025).

A tensor of more dimensions counts as the matrix of its first dimension and the rest, as a convolution's output channels
are. `qkv="thirds"` takes a matrix of 3·d rows and d columns, such as packed queries, keys and values, for three. On the
transformer of `benchmarks/recipes/drop_in.py`, under `wsd` with `adamw` at 0.005 for the rest, its test loss is 1.828
against 1.841 and 1.808 against 1.826 (rate 0.02, seeds 0 and 1), and 1.842 against 1.843 (0.01, seed 0): never behind,
and little. Since torch's class takes one matrix, `whole` is the default.

**Precision.** NS rounds to bfloat16 after each product, as torch's class does, or with `precision="float32"` nowhere.
A CPU that has no instructions for products of bfloat16, such as one with AVX2 alone, takes 8 to 90 times as long for
them as for those of float32. There the rule multiplies bfloat16 numbers in float32, exactly, and rounds what comes out:
the same but for the order of sums; small matrices by themselves are multiplied as torch does. torch's class spares its
users nothing there: `implementation="rule"` does. The state is one float32 number a parameter.

When to use it: for the hidden matrices of transformers and convolutional networks, beside another optimizer, such as
`adamw`, that takes embeddings, heads, norms and biases: it takes tensors of two dimensions and more alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import torch
from torch import Tensor

import metaopt
from metaopt import Granularity, Hparams, Params, State, StepInfo, TensorHparams, Tensors, Theta
from metaopt_optimizers._shared.moments import decayed, shrunk, state_dtype, zeros

#: a, b and c of a round.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
#: Matrices of one shape go through a round together up to this size each: of larger ones a CPU is busy with one.
_BATCHED = 128 * 128

#: Multiplications of a product up to which a CPU without those of bfloat16 computes them faster than it converts them.
_SMALL = 32**3

_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@final
@dataclass(frozen=True)
class Muon(metaopt.Rule):
    """Muon as a pure rule. State of a tensor: `momentum_buffer`, of its shape.

    Args:
        ns_steps: rounds.
        precision: `"bfloat16"` or `"float32"`, of the rounds.
        qkv: `"whole"` or `"thirds"`.
    """

    ns_steps: int = 5
    precision: str = "bfloat16"
    qkv: str = "whole"

    @property
    def granularity(self) -> Granularity:  # type: ignore[override]
        """Each tensor by itself; those of one shape only share calls."""
        return "tensor"

    def init(self, params: Params, hparams: Hparams, theta: Theta, horizon: Tensor | None) -> State:
        """No momentum."""
        return {"tensors": {name: {"momentum_buffer": zeros(param)} for name, param in params.items()}, "shared": {}}

    def update(
        self, grads: Params, state: State, params: Params, hparams: Hparams, theta: Theta, info: StepInfo
    ) -> tuple[Tensors, State]:
        """One step, of tensors of one shape together where they are small."""
        tensors, updates = dict(state["tensors"]), {}
        for names in _alike({name: params[name] for name in grads}):
            starts: list[Tensor] = []
            for name in names:
                buffer, direction = _momentum(grads[name], tensors[name]["momentum_buffer"], hparams[name])
                tensors[name] = {"momentum_buffer": buffer}
                starts += [
                    _start(part, hparams[name]["eps"], _DTYPES[self.precision]) for part in self._parts(direction)
                ]
            orthogonal = _orthogonal(starts, self.ns_steps)
            each = len(orthogonal) // len(names)
            for place, name in enumerate(names):
                parts = orthogonal[place * each : (place + 1) * each]
                updates[name] = _step(params[name], parts, hparams[name])
        return {name: updates[name] for name in grads}, {"tensors": tensors, "shared": state["shared"]}

    def _parts(self, direction: Tensor) -> list[Tensor]:
        """The matrices that a tensor consists of, one above the other; none where it has no numbers."""
        if not direction.numel():
            return []
        matrix = direction.flatten(1)
        rows, columns = matrix.shape
        return list(matrix.chunk(3)) if self.qkv == "thirds" and rows == 3 * columns else [matrix]


def _alike(params: Params) -> list[list[str]]:
    """Names of tensors that go through the rounds together."""
    groups: dict[Any, list[str]] = {}
    for name, param in params.items():
        small = param.numel() <= _BATCHED
        groups.setdefault((param.shape, param.dtype, param.device) if small else name, []).append(name)
    return list(groups.values())


def _momentum(grad: Tensor, buffer: Tensor, hparams: TensorHparams) -> tuple[Tensor, Tensor]:
    """The new momentum, and where to go."""
    grad = grad.to(buffer.dtype)
    buffer = decayed(buffer, grad, hparams["momentum"])
    ahead = torch.where(hparams["nesterov"] > 0, hparams["momentum"], 1.0)
    return buffer, torch.lerp(grad, buffer, ahead.to(buffer.device, buffer.dtype))


def _start(matrix: Tensor, eps: Tensor, dtype: torch.dtype) -> Tensor:
    """X before the first round: of at most as many rows as columns, and of norm 1."""
    lying = matrix.to(dtype)
    lying = lying.mT if matrix.shape[0] > matrix.shape[1] else lying
    norm = torch.linalg.vector_norm(lying)
    return lying / torch.maximum(norm, eps.to(norm.device, dtype))


def _orthogonal(starts: Sequence[Tensor], num_rounds: int) -> Sequence[Tensor]:
    """NS of matrices of one shape."""
    if not starts:
        return []
    batch = torch.stack(list(starts)) if starts[1:] else starts[0]
    held = batch.dtype
    computed = torch.float32 if _gains_from_float32(batch) else held
    batch = batch.to(computed)

    def rounded(product: Tensor) -> Tensor:
        return product.to(held).to(computed)

    for _ in range(num_rounds):
        batch = _round(batch, rounded)
    batch = batch.to(held)
    return batch.unbind() if starts[1:] else [batch]


def _round(batch: Tensor, rounded: Callable[[Tensor], Tensor]) -> Tensor:
    """One round for a matrix, or for matrices of shape (batch, rows, columns); `rounded` goes over each product."""
    a, b, c = _COEFFICIENTS
    sum_of_product = torch.addmm if batch.ndim == 2 else torch.baddbmm
    square = rounded(batch @ batch.mT)
    polynomial = rounded(sum_of_product(square, square, square, beta=b, alpha=c))
    return rounded(sum_of_product(batch, polynomial, batch, beta=a))


def _gains_from_float32(batch: Tensor) -> bool:
    """Whether products of bfloat16 numbers are faster in float32, the way there and back included."""
    if batch.dtype != torch.bfloat16 or batch.device.type != "cpu" or _multiplies_bfloat16():
        return False
    if batch.ndim > 2 or torch._C._functorch.is_batchedtensor(batch):
        return True
    rows, columns = batch.shape
    return rows * rows * columns > _SMALL


@cache
def _multiplies_bfloat16() -> bool:
    """Whether this CPU's products of bfloat16 are not computed number by number: what torch itself asks before them."""
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # torch without oneDNN
        return False


def _step(param: Tensor, parts: Sequence[Tensor], hparams: TensorHparams) -> Tensor:
    """What to add to a parameter, given what is orthogonal of its parts."""
    wide = param.to(state_dtype(param))
    moved = shrunk(wide, hparams["lr"], hparams["weight_decay"])
    if parts:
        rows, columns = param.shape[0] // len(parts), param.numel() // param.shape[0]
        upright = [part.mT if rows > columns else part for part in parts]
        orthogonal = (torch.cat(upright) if parts[1:] else upright[0]).reshape(param.shape).to(wide.dtype)
        rate = hparams["lr"] * _adjustment(rows, columns, hparams)
        # Not addcmul: with a 0-d factor that takes a CPU four times as long.
        moved = moved - rate.to(wide.device, wide.dtype) * orthogonal
    return (moved - wide).to(param.dtype)


def _adjustment(rows: int, columns: int, hparams: TensorHparams) -> Tensor:
    lr = hparams["lr"]
    original = torch.full_like(lr, math.sqrt(max(1, rows / columns)))
    matching = torch.full_like(lr, 0.2 * math.sqrt(max(rows, columns)))
    return torch.where(hparams["adjust_lr_fn"] > 0, matching, original)


def _arguments(hparams: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in hparams.items() if name not in ("precision", "qkv")}
    if hparams["precision"] != "bfloat16":
        raise metaopt.PluginError("torch.optim.Muon computes in bfloat16 alone")
    if hparams["qkv"] != "whole":
        raise metaopt.PluginError("torch.optim.Muon takes packed queries, keys and values for one matrix")
    return own


spec = metaopt.OptimizerSpec(
    name="muon",
    version="1",
    summary="Momentum made orthogonal, for matrices alone.",
    rule=Muon(),
    # torch has the class from 2.9 on.
    native=metaopt.Native(module="torch.optim", qualname="Muon", arguments=_arguments, takes_empty=False, dims=2)
    if hasattr(torch.optim, "Muon")
    else None,
    takes="matrices",
    structural=("ns_steps", "precision", "qkv"),
    precise={"precision": "float32"},
    space={
        "lr": metaopt.Float(1e-3, 1e-1, log=True, default=1e-3, valid="[0, inf)"),
        "momentum": metaopt.Float(0.8, 0.99, default=0.95, valid="[0, 1)"),
        "nesterov": metaopt.Categorical((True, False), proposed=(True,)),
        "weight_decay": metaopt.Float(1e-3, 1.0, log=True, default=0.1, valid="[0, inf)"),
        "ns_steps": metaopt.Int(5, 5, default=5, valid="[1, 99]"),
        "eps": metaopt.Float(1e-7, 1e-7, default=1e-7, valid="[1e-30, inf)"),
        "adjust_lr_fn": metaopt.Categorical(("original", "match_rms_adamw"), proposed=("original",)),
        "precision": metaopt.Categorical(("bfloat16", "float32"), proposed=("bfloat16",)),
        "qkv": metaopt.Categorical(("whole", "thirds"), proposed=("whole",)),
    },
    references=(
        "https://kellerjordan.github.io/posts/muon/",
        "https://arxiv.org/abs/2502.16982",
        "https://docs.pytorch.org/docs/stable/generated/torch.optim.Muon.html",
    ),
)
