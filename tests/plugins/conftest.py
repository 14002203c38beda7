"""A small driver: steps a rule, or a torch optimizer, along one fixed sequence of gradients."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

import metaopt

NUM_STEPS = 100
GROUPS = (("scalar", "vector", "matrix"), ("kernel", "late", "sometimes"))
SHAPES: Mapping[str, tuple[int, ...]] = {
    "scalar": (),
    "vector": (5,),
    "matrix": (4, 3),
    "kernel": (3, 2, 2, 2),
    "late": (2, 3),  # first gradient at step 51
    "sometimes": (3,),  # no gradient at every third step
}


@dataclass(frozen=True)
class Problem:
    """Parameters and gradients by name; `gradients[t]` lacks the names that have none at step t."""

    params: Mapping[str, Tensor]
    gradients: Sequence[Mapping[str, Tensor]]


@dataclass(frozen=True)
class Trajectory:
    """Parameters after each step, and those to evaluate with."""

    params: list[dict[str, Tensor]]
    evaluated: list[dict[str, Tensor]]


@pytest.fixture
def problem() -> Callable[..., Problem]:
    """`problem(dtype, num_steps)`: gradients with a fading drift, scales of their own, and one that is always 0."""
    return make_problem


@pytest.fixture
def taken() -> Callable[..., Problem]:
    """`taken(problem, *ranks)`: the problem's tensors of these numbers of dimensions."""
    return of_rank


@pytest.fixture
def drive() -> Callable[..., Trajectory]:
    """`drive(rule, problem, hparams_of_groups, hparams_dtype)`: the trajectory of a rule."""
    return drive_rule


@pytest.fixture
def drive_reference() -> Callable[..., Trajectory]:
    """`drive_reference(factory, problem, arguments_of_groups)`: the trajectory of a torch optimizer."""
    return drive_torch


def make_problem(dtype: torch.dtype, num_steps: int = NUM_STEPS) -> Problem:
    generator = torch.Generator().manual_seed(0)

    def normal(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    params = {name: normal(shape) for name, shape in SHAPES.items()}
    params["vector"][1] = 0.0
    drift = {name: normal(shape) for name, shape in SHAPES.items()}
    scale = {name: 10 ** (0.5 * normal(shape)) for name, shape in SHAPES.items()}
    scale["vector"][0] = 0.0
    gradients = []
    for step in range(num_steps):
        noise = {name: normal(shape) for name, shape in SHAPES.items()}
        gradients.append(
            {
                name: (scale[name] * (math.exp(-step / 12) * drift[name] + noise[name])).to(dtype)
                for name in SHAPES
                if _has_gradient(name, step)
            }
        )
    return Problem({name: param.to(dtype) for name, param in params.items()}, gradients)


def of_rank(problem: Problem, *ranks: int) -> Problem:
    """The problem's tensors that have so many dimensions."""
    params = {name: param for name, param in problem.params.items() if param.ndim in ranks}
    return Problem(params, [{name: grads[name] for name in grads if name in params} for grads in problem.gradients])


def _has_gradient(name: str, step: int) -> bool:
    if step == 20:
        return False
    return {"late": step >= 50, "sometimes": step % 3 != 1}.get(name, True)


def drive_rule(
    rule: metaopt.Rule,
    problem: Problem,
    hparams_of_groups: Sequence[Mapping[str, float]],
    hparams_dtype: torch.dtype = torch.float64,
    lrs: Sequence[float] | None = None,
) -> Trajectory:
    groups = [
        {key: torch.tensor(value, dtype=hparams_dtype) for key, value in group.items()} for group in hparams_of_groups
    ]
    horizon = torch.tensor(float(len(problem.gradients)))
    params = dict(problem.params)
    hparams = {name: group for names, group in zip(GROUPS, groups, strict=True) for name in names if name in params}
    state = rule.init(params, hparams, {}, horizon)
    trajectory = Trajectory([], [])
    for step, grads in enumerate(problem.gradients):
        if lrs is not None:
            lr = torch.tensor(lrs[step], dtype=hparams_dtype)
            hparams = {name: {**group, "lr": lr} for name, group in hparams.items()}
        info = metaopt.StepInfo(step=torch.tensor(float(step)), horizon=horizon)
        updates, state = rule.update(grads, state, params, hparams, {}, info)
        assert set(updates) == set(grads)
        params = {name: param + updates[name] if name in updates else param for name, param in params.items()}
        trajectory.params.append(params)
        trajectory.evaluated.append(rule.evaluation_params(params, state, hparams))
    return trajectory


def drive_torch(
    factory: Callable[[list[dict[str, Any]]], torch.optim.Optimizer],
    problem: Problem,
    arguments_of_groups: Sequence[Mapping[str, Any]],
    lrs: Sequence[float] | None = None,
) -> Trajectory:
    params = {name: param.clone().requires_grad_() for name, param in problem.params.items()}
    groups = [
        {"params": [params[name] for name in names if name in params], **arguments}
        for names, arguments in zip(GROUPS, arguments_of_groups, strict=True)
    ]
    optimizer = factory(groups)
    modes = hasattr(optimizer, "eval")
    trajectory = Trajectory([], [])
    for step, grads in enumerate(problem.gradients):
        if lrs is not None:
            for group in optimizer.param_groups:
                group["lr"] = lrs[step]
        if modes:
            optimizer.train()
        for name, param in params.items():
            param.grad = grads[name].clone() if name in grads else None
        optimizer.step()
        trajectory.params.append(_snapshot(params))
        if modes:
            optimizer.eval()
        trajectory.evaluated.append(_snapshot(params))
    return trajectory


def _snapshot(params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: param.detach().clone() for name, param in params.items()}
