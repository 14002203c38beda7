"""A network of two hidden layers that computes an update from a coordinate's features, as arithmetic on whole tensors.

    (o_1, o_2, …) = W₂ᵀ·relu(W₁ᵀ·relu(W₀ᵀ·x + b₀) + b₁) + b₂,       each feature in x divided by its root mean square

Theta has `w0`, `b0`, …, `b2`; `w0` has shape (features, units).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from metaopt import Params, Tensors, Theta
from metaopt_learned._shared.features import CoordinateFeatures
from metaopt_learned._shared.recurrent import truncated_normal


def network_shapes(inputs: int, theta: Theta, outputs: int) -> dict[str, tuple[int, ...]]:
    """Shapes of a network with as many hidden units as theta's own."""
    first, second = (int(theta[name].numel()) if name in theta else 0 for name in ("b0", "b1"))
    sizes = list(pairwise((inputs, first, second, outputs)))
    return {f"w{layer}": size for layer, size in enumerate(sizes)} | {f"b{n}": size[1:] for n, size in enumerate(sizes)}


def first_layer(inputs: CoordinateFeatures, time: Tensor | None, theta: Theta) -> Tensors:
    """The first layer's weights for one tensor, scaled by its features' root mean squares.

    A feature is divided by its root mean square through its weights; features that are constant along a dimension
    or everywhere are summed before they are broadcast. `weights` has shape (own features, units), `first` and `last`
    (units, *shape) with sizes of 1, and `bias` (units,).
    """
    squares = [torch.stack([feature.square().sum() for feature in inputs.own(part)]) for part in inputs.parts()]
    squares = [torch.stack(squares).sum(0) / inputs.numel if len(squares) > 1 else squares[0] / inputs.numel]
    if inputs.first is not None and inputs.last is not None:
        squares += [feature.square().flatten(1).mean(1) for feature in (inputs.first, inputs.last)]
    scales = (torch.cat(squares) + 1e-5).rsqrt()
    weights = _taken(theta["w0"], inputs.places)
    if inputs.is_swapped is not None:
        weights = torch.where(inputs.is_swapped, _taken(theta["w0"], inputs.swapped), weights)
    scaled = weights * scales.unsqueeze(1)
    bias = theta["b0"] if time is None else theta["b0"] + time @ theta["w0"][len(inputs.places) :]
    own = len(inputs.places) - inputs.along
    layer = {"weights": scaled[:own], "bias": bias}
    if inputs.first is not None and inputs.last is not None:
        middle = own + len(inputs.first)
        layer["first"], layer["last"] = _mixed(inputs.first, scaled[own:middle]), _mixed(inputs.last, scaled[middle:])
    return layer


def outputs(inputs: CoordinateFeatures, measured: Params, theta: Theta) -> list[Tensor]:
    """The network's outputs for each coordinate.

    Arithmetic on whole tensors rather than products with a matrix of all features: compilers fuse it, and nothing of
    that size is stored.
    """
    parts = [_network(inputs.own(part), inputs.measured(measured, part), theta) for part in inputs.parts()]
    return parts[0] if len(parts) == 1 else [torch.cat(columns) for columns in zip(*parts, strict=True)]


def _network(own: Sequence[Tensor], measured: Params, theta: Theta) -> list[Tensor]:
    hidden = []
    for unit in range(measured["bias"].shape[0]):
        total = _weighed(own, measured["weights"][:, unit]) + measured["bias"][unit]
        if "first" in measured:
            total = total + measured["first"][unit] + measured["last"][unit]
        hidden.append(torch.relu(total))
    for layer in (1, 2):
        matrix, bias = theta[f"w{layer}"], theta[f"b{layer}"]
        sums = [_weighed(hidden, matrix[:, unit]) + bias[unit] for unit in range(matrix.shape[1])]
        hidden = [torch.relu(unit_sum) for unit_sum in sums] if layer == 1 else sums
    return hidden


def _mixed(features: Tensor, weights: Tensor) -> Tensor:
    """Sums of features by weights of shape (features, units), shape (units, *shape)."""
    return (weights.reshape(*weights.shape, *[1] * (features.ndim - 1)) * features.unsqueeze(1)).sum(0)


def _weighed(terms: Sequence[Tensor], weights: Tensor) -> Tensor:
    total = terms[0] * weights[0]
    for position in range(1, len(terms)):
        total = total + terms[position] * weights[position]
    return total


def _taken(weights: Tensor, rows: list[int]) -> Tensor:
    return weights.index_select(0, torch.tensor(rows, device=weights.device))


def init_network(sizes: Sequence[int], generator: torch.Generator) -> Tensors:
    """`w0`, `b0`, … of a network of so many inputs, hidden units and outputs."""
    theta = {}
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        theta[f"w{layer}"] = truncated_normal((inputs, outputs), generator)
        theta[f"b{layer}"] = torch.zeros(outputs)
    return theta
