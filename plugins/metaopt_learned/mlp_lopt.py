"""small_fc_lopt: a small network that says each coordinate's update from 39 features (Metz et al. 2022).

    Δ = −0.001 · direction · exp(0.001 · magnitude),        (direction, magnitude) = MLP(features), 39-4-4-2, ReLU

Features of a coordinate: gradient, parameter, momenta at three decays, second moment and its inverse root, momenta
times that, factored (Adafactor) gradient, row and column means and their inverse roots, momenta times factored inverse
roots, each divided by its root mean square over the tensor; and tanh(t/τ − 1) for eleven timescales τ. Decays are
learned. Trained with evolution strategies over whole trainings.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

import metaopt
from metaopt_learned.accumulators import factored_dims, fresh, learned_decays, rolled
from metaopt_learned.recurrent import truncated_normal

#: Steps over which time features saturate.
TIMESCALES = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000)
#: Features of a coordinate beside those of time.
FEATURES = 28


def _init(
    param: Tensor, hparams: Mapping[str, Tensor], theta: Mapping[str, Tensor], horizon: Tensor | None
) -> dict[str, Tensor]:
    return {"step": torch.zeros((), device=param.device), **fresh(param)}


def _update(
    grad: Tensor,
    state: dict[str, Tensor],
    param: Tensor,
    hparams: Mapping[str, Tensor],
    theta: Mapping[str, Tensor],
    info: metaopt.StepInfo,
) -> tuple[Tensor, dict[str, Tensor]]:
    if not grad.numel():  # nothing has a mean
        return grad, state
    new = rolled(grad, state, learned_decays(theta))
    time = torch.tanh(state["step"] / _timescales(param.device) - 1)
    direction, magnitude = network(features(grad, param, new), time, theta)
    update = -hparams["step_mult"] * direction * torch.exp(hparams["exp_mult"] * magnitude)
    return update, {"step": state["step"] + 1, **new}


def features(grad: Tensor, param: Tensor, state: Mapping[str, Tensor], floor: float = 1e-6) -> list[Tensor]:
    """The features in the reference's order, each of a shape that broadcasts to the tensor's.

    `floor` is added to the second moments of vectors and scalars before momenta are divided by their roots.
    """
    momentum, second = state["momentum"], state["second"]
    inverse = (second + 1e-6).rsqrt()
    found = [grad, param, *momentum, *second, *(momentum * inverse), *inverse]
    dims = factored_dims(tuple(grad.shape))
    if dims is None:
        whole = state["whole"]
        roots = (whole + 1e-8).rsqrt()
        found += [*(grad * _safe_rsqrt(whole + 1e-9)), *whole, *whole, *roots, *roots]
        return [*found, *(momentum * (whole + floor).rsqrt())]
    small, large = dims
    row, column = state["row"].unsqueeze(1 + large), state["column"].unsqueeze(1 + small)
    factor = _safe_rsqrt(row / (row.mean(1 + small, keepdim=True) + 1e-9)), _safe_rsqrt(column)
    found += [*(grad * factor[0] * factor[1]), *row, *column, *(row + 1e-8).rsqrt(), *(column + 1e-8).rsqrt()]
    return [*found, *(momentum * factor[0] * factor[1])]


def network(inputs: Sequence[Tensor], time: Tensor | None, theta: Mapping[str, Tensor]) -> list[Tensor]:
    """The outputs, in the shape that the inputs broadcast to.

    Arithmetic on whole tensors rather than a product with a matrix of 39 columns: compilers fuse it, nothing of that
    size is stored, and what broadcasts (rows, columns, time) is added up before it does. Dividing a feature by its
    root mean square is a matter of its weights.
    """
    weights = theta["w0"]
    scales = [(one.square().mean() + 1e-5).rsqrt() for one in inputs]
    bias = theta["b0"] if time is None else theta["b0"] + time @ weights[len(inputs) :]
    hidden = []
    for unit in range(weights.shape[1]):
        terms = [
            one * (scale * weights[row, unit]) for row, (one, scale) in enumerate(zip(inputs, scales, strict=True))
        ]
        hidden.append(torch.relu(_summed(terms) + bias[unit]))
    for layer in (1, 2):
        matrix, bias = theta[f"w{layer}"], theta[f"b{layer}"]
        outputs = [
            _summed([one * matrix[row, unit] for row, one in enumerate(hidden)]) + bias[unit]
            for unit in range(matrix.shape[1])
        ]
        hidden = [torch.relu(one) for one in outputs] if layer == 1 else outputs
    return hidden


def _summed(terms: Sequence[Tensor]) -> Tensor:
    """The sum, of small shapes first."""
    by_size: dict[torch.Size, Tensor] = {}
    for term in terms:
        by_size[term.shape] = by_size[term.shape] + term if term.shape in by_size else term
    total: Tensor | None = None
    for one in sorted(by_size.values(), key=lambda one: one.numel()):
        total = one if total is None else total + one
    assert total is not None
    return total


def _safe_rsqrt(x: Tensor) -> Tensor:
    return x.clamp_min(1e-9).rsqrt()


def _timescales(device: torch.device) -> Tensor:
    return torch.tensor(TIMESCALES, dtype=torch.float32, device=device)


#: State, for each parameter: `step`, 0-d, and what `accumulators.fresh` makes.
rule = metaopt.per_tensor(_init, _update, granularity="tensor")


def init_theta(
    params: Mapping[str, Tensor], generator: torch.Generator, hparams: Mapping[str, metaopt.Value]
) -> dict[str, Tensor]:
    """Weights from a normal distribution of deviation 1/√inputs, cut off at two deviations; biases and decays 0."""
    hidden = int(hparams["hidden_size"])
    decays = {"momentum_decays": torch.zeros(3), "rms_decays": torch.zeros(1), "adafactor_decays": torch.zeros(3)}
    return {**decays, **init_network((FEATURES + len(TIMESCALES), hidden, hidden, 2), generator)}


def init_network(sizes: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
    """`w0`, `b0`, … of a network of so many inputs, hidden units and outputs."""
    theta = {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        theta[f"w{layer}"] = truncated_normal((inputs, outputs), generator)
        theta[f"b{layer}"] = torch.zeros(outputs)
    return theta


spec = metaopt.OptimizerSpec(
    name="mlp_lopt",
    version="1",
    summary="A small network of 39 features that says each coordinate's update.",
    rule=rule,
    space={
        "step_mult": metaopt.Float(1e-4, 1e-2, log=True, default=1e-3, valid="(0, inf)"),
        "exp_mult": metaopt.Float(1e-4, 1e-2, log=True, default=1e-3, valid="[0, inf)"),
    },
    proposed=False,
    meta=metaopt.MetaTraining(
        init_theta=init_theta,
        objective="trajectory",
        orders=("first",),
        space={"hidden_size": metaopt.Int(2, 32, log=True, default=4, valid="[1, inf)")},
        truncation=20,
    ),
    references=("https://arxiv.org/abs/2203.11860", "https://github.com/google/learned_optimization"),
)
