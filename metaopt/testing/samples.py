"""Parameters, gradients and hyperparameters that plugins are tried on."""

from collections.abc import Mapping

import torch
from torch import Tensor

from metaopt.contracts import Tensors
from metaopt.space import Categorical, Space, Value, defaults, is_active

#: One parameter of each rank that models have, and one with nothing in it.
SHAPES: Mapping[str, tuple[int, ...]] = {
    "scalar": (),
    "vector": (5,),
    "matrix": (4, 3),
    "kernel": (2, 3, 2, 2),
    "empty": (0, 3),
}


def generator(seed: int) -> torch.Generator:
    """A generator of its own, so that nothing here touches the global one."""
    return torch.Generator().manual_seed(seed)


def parameters(seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensors:
    """Normally distributed parameters of all `SHAPES`."""
    source = generator(seed)
    return {name: torch.randn(shape, generator=source).to(dtype) for name, shape in SHAPES.items()}


def gradients(params: Mapping[str, Tensor], num_steps: int, seed: int = 1) -> list[Tensors]:
    """For each step, normally distributed gradients of all parameters."""
    source = generator(seed)
    return [
        {name: torch.randn(param.shape, generator=source).to(param.dtype) for name, param in params.items()}
        for _ in range(num_steps)
    ]


def draws(space: Space, count: int, seed: int = 2) -> list[dict[str, Value]]:
    """The defaults, and values drawn uniformly from the space; hyperparameters without effect keep their default."""
    source = generator(seed)
    found = [defaults(space)]
    while len(found) < count:
        units = torch.rand(len(space), generator=source).tolist()
        values = {name: each.from_unit(unit) for (name, each), unit in zip(space.items(), units, strict=True)}
        found.append({**defaults(space), **{name: values[name] for name in space if is_active(space, name, values)}})
    return found


def edges(space: Space) -> dict[str, dict[str, Value]]:
    """For each end of each range and each choice, all values with the others at their defaults, by a label."""
    found: dict[str, dict[str, Value]] = {"the defaults": defaults(space)}
    for name, distribution in space.items():
        ends = distribution.choices if isinstance(distribution, Categorical) else (distribution.low, distribution.high)
        for value in ends:
            found[f"{name}={value}"] = {**defaults(space), name: value}
    return found
