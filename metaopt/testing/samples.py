"""Parameters, gradients and hyperparameters that plugins are tried on."""

from collections.abc import Mapping

import torch

from metaopt.contracts import Params, Tensors
from metaopt.plugin import Takes
from metaopt.space import Categorical, Space, Value, defaults, is_active

#: Shapes of the kit's parameters: one of each rank that models have, and one without elements.
SHAPES: Mapping[str, tuple[int, ...]] = {
    "scalar": (),
    "vector": (5,),
    "matrix": (4, 3),
    "kernel": (2, 3, 2, 2),
    "empty": (0, 3),
}
#: Of those for optimizers that take matrices alone.
MATRICES: Mapping[str, tuple[int, ...]] = {
    "square": (3, 3),
    "wide": (2, 5),
    "matrix": (4, 3),
    "kernel": (2, 3, 2, 2),
    "empty": (0, 3),
}
#: Parameters of either kind that have gradients from the first step on.
EARLY = ("vector", "scalar", "square", "wide")


def generator(seed: int) -> torch.Generator:
    """A new random generator with this seed; the global generator is not touched."""
    return torch.Generator().manual_seed(seed)


def parameters(seed: int = 0, dtype: torch.dtype = torch.float32, takes: Takes = "all") -> Tensors:
    """Normally distributed parameters of all `SHAPES`, or of all `MATRICES`."""
    source, shapes = generator(seed), SHAPES if takes == "all" else MATRICES
    return {name: torch.randn(shape, generator=source).to(dtype) for name, shape in shapes.items()}


def early(params: Params) -> Tensors:
    """Those of the kit's parameters that have gradients from the first step on."""
    return {name: params[name] for name in EARLY if name in params}


def gradients(params: Params, num_steps: int, seed: int = 1) -> list[Tensors]:
    """For each step, normally distributed gradients of all parameters."""
    source = generator(seed)
    return [
        {name: torch.randn(param.shape, generator=source).to(param.dtype) for name, param in params.items()}
        for _ in range(num_steps)
    ]


def draws(space: Space, count: int, seed: int = 2) -> list[dict[str, Value]]:
    """The defaults, then uniform draws from the space; hyperparameters without effect keep their default."""
    source = generator(seed)
    samples = [defaults(space)]
    while len(samples) < count:
        units = torch.rand(len(space), generator=source).tolist()
        values = {
            name: distribution.from_unit(unit) for (name, distribution), unit in zip(space.items(), units, strict=True)
        }
        samples.append({**defaults(space), **{name: values[name] for name in space if is_active(space, name, values)}})
    return samples


def edges(space: Space) -> dict[str, dict[str, Value]]:
    """By label, all values for each end of a range and each choice, the other hyperparameters at their defaults."""
    samples: dict[str, dict[str, Value]] = {"the defaults": defaults(space)}
    for name, distribution in space.items():
        ends = distribution.choices if isinstance(distribution, Categorical) else (distribution.low, distribution.high)
        for value in ends:
            samples[f"{name}={value}"] = {**defaults(space), name: value}
    return samples
