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
from metaopt_learned.accumulators import fresh, learned_decays, moments, rolled
from metaopt_learned.features import COUNT, Features
from metaopt_learned.recurrent import truncated_normal

#: Steps over which time features saturate.
TIMESCALES = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000)


def _init(
    param: Tensor, hparams: Mapping[str, Tensor], theta: Mapping[str, Tensor], horizon: Tensor | None
) -> dict[str, Tensor]:
    return {"step": torch.zeros((), device=param.device), **fresh(param)}


def _measure(
    grad: Tensor,
    state: dict[str, Tensor],
    param: Tensor,
    hparams: Mapping[str, Tensor],
    theta: Mapping[str, Tensor],
    info: metaopt.StepInfo,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    new = {"step": state["step"] + 1, **rolled(grad, state, learned_decays(theta))}
    time = torch.tanh(state["step"] / _timescales(param.device) - 1)
    return first_layer(Features(grad, param, new), time, theta), new


def _update(
    grad: Tensor,
    state: dict[str, Tensor],
    param: Tensor,
    hparams: Mapping[str, Tensor],
    theta: Mapping[str, Tensor],
    info: metaopt.StepInfo,
    measured: Mapping[str, Tensor],
) -> Tensor:
    direction, magnitude = outputs(Features(grad, param, state), measured, theta)
    return -hparams["step_mult"] * direction * torch.exp(hparams["exp_mult"] * magnitude)


def first_layer(inputs: Features, time: Tensor | None, theta: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the first layer needs to know of a whole tensor.

    Dividing a feature by its root mean square is a matter of its weights; what is the same along a dimension or
    everywhere is added up before it is spread. `weights` has shape (own features, units), `first` and `last` (units,
    *shape) with sizes of 1, and `bias` (units,).
    """
    squares = [torch.stack([one.square().sum() for one in inputs.own(part)]) for part in inputs.parts()]
    squares = [torch.stack(squares).sum(0) / inputs.numel if len(squares) > 1 else squares[0] / inputs.numel]
    squares += [one.square().mean().reshape(1) for one in (*inputs.first, *inputs.last)]
    scales = (torch.cat(squares) + 1e-5).rsqrt()
    weights = _taken(theta["w0"], inputs.places)
    if inputs.is_swapped is not None:
        weights = torch.where(inputs.is_swapped, _taken(theta["w0"], inputs.swapped), weights)
    scaled = weights * scales.unsqueeze(1)
    bias = theta["b0"] if time is None else theta["b0"] + time @ theta["w0"][len(inputs.places) :]
    first, last = len(inputs.first), len(inputs.last)
    own = len(inputs.places) - first - last
    found = {"weights": scaled[:own], "bias": bias}
    if first:
        units = range(scaled.shape[1])
        found["first"] = torch.stack([_weighed(inputs.first, scaled[own : own + first, unit]) for unit in units])
        found["last"] = torch.stack([_weighed(inputs.last, scaled[own + first :, unit]) for unit in units])
    return found


def outputs(inputs: Features, measured: Mapping[str, Tensor], theta: Mapping[str, Tensor]) -> list[Tensor]:
    """The network's outputs for each coordinate.

    Arithmetic on whole tensors rather than products with a matrix of all features: compilers fuse it, and nothing of
    that size is stored.
    """
    found = [_network(inputs.own(part), inputs.measured(measured, part), theta) for part in inputs.parts()]
    return found[0] if len(found) == 1 else [torch.cat(one) for one in zip(*found, strict=True)]


def _network(own: Sequence[Tensor], measured: Mapping[str, Tensor], theta: Mapping[str, Tensor]) -> list[Tensor]:
    hidden = []
    for unit in range(measured["bias"].shape[0]):
        total = _weighed(own, measured["weights"][:, unit]) + measured["bias"][unit]
        if "first" in measured:
            total = total + measured["first"][unit] + measured["last"][unit]
        hidden.append(torch.relu(total))
    for layer in (1, 2):
        matrix, bias = theta[f"w{layer}"], theta[f"b{layer}"]
        sums = [_weighed(hidden, matrix[:, unit]) + bias[unit] for unit in range(matrix.shape[1])]
        hidden = [torch.relu(one) for one in sums] if layer == 1 else sums
    return hidden


def _weighed(terms: Sequence[Tensor], weights: Tensor) -> Tensor:
    total = terms[0] * weights[0]
    for position in range(1, len(terms)):
        total = total + terms[position] * weights[position]
    return total


def _taken(weights: Tensor, rows: list[int]) -> Tensor:
    return weights.index_select(0, torch.tensor(rows, device=weights.device))


def _timescales(device: torch.device) -> Tensor:
    return torch.tensor(TIMESCALES, dtype=torch.float32, device=device)


#: State, for each parameter: `step`, 0-d, and what `accumulators.fresh` makes.
rule = metaopt.per_tensor(_init, _update, measure=_measure, granularity="tensor")


def init_theta(
    params: Mapping[str, Tensor], generator: torch.Generator, hparams: Mapping[str, metaopt.Value]
) -> dict[str, Tensor]:
    """Weights from a normal distribution of deviation 1/√inputs, cut off at two deviations; biases and decays 0."""
    hidden = int(hparams["hidden_size"])
    decays = {"momentum_decays": torch.zeros(3), "rms_decays": torch.zeros(1), "adafactor_decays": torch.zeros(3)}
    return {**decays, **init_network((COUNT + len(TIMESCALES), hidden, hidden, 2), generator)}


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
        estimator="pes",
        objective="trajectory",
        orders=("first",),
        clip=1.0,
        space={"hidden_size": metaopt.Int(2, 32, log=True, default=4, valid="[1, inf)")},
        truncation=50,
        handover=moments,
    ),
    references=("https://arxiv.org/abs/2203.11860", "https://github.com/google/learned_optimization"),
)
