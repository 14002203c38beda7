"""A few steps of a learned rule on two small tensors, and the meta-gradient of one on a parabola."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.meta.estimators.choice import new_estimator
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.unrolls import Unrolls
from metaopt.plugin.registry import current_registry

PARAMS = {"0.weight": torch.tensor([[1.0, -2.0]]), "1.weight": torch.tensor([0.5])}
GRADS = {"0.weight": torch.tensor([[0.1, 0.2]]), "1.weight": torch.tensor([-0.3])}
HORIZON = 10.0


def _assembly(name: str, hparams: Mapping[str, Any]) -> Any:
    return assemble(
        Configuration(name, hparams={f"{name}.{key}": value for key, value in hparams.items()}), current_registry()
    )


def _stepped(
    name: str, theta: Mapping[str, Tensor] | None = None, steps: int = 1, factors: Sequence[float] = (), **hparams: Any
) -> tuple[Any, ...]:
    assembly = _assembly(name, hparams)
    meta = assembly.optimizer.meta
    weights = meta.init_theta(PARAMS, torch.Generator().manual_seed(0), assembly.meta_values)
    weights.update(theta or {})
    numbers = assembly.tensor_hparams(PARAMS)
    horizon = torch.tensor(HORIZON)
    state = assembly.rule.init(PARAMS, numbers, weights, horizon)
    params = PARAMS
    for step, factor in enumerate(factors or [1.0] * steps):
        grads = {key: factor * grad for key, grad in GRADS.items()}
        info = metaopt.StepInfo(step=torch.tensor(float(step)), horizon=horizon, loss=torch.tensor(0.7))
        updates, state = assembly.rule.update(grads, state, params, numbers, weights, info)
        params = {key: value + updates[key] for key, value in params.items()}
    return params, state, weights


@pytest.fixture
def stepped() -> Callable[..., tuple[Any, ...]]:
    """`stepped(name, theta, steps, factors, **hparams)`: parameters, state and weights after steps along `GRADS`.

    They are the same at each of so many `steps`, or multiplied by one of `factors` at each.
    """
    return _stepped


class Parabolas:
    """Support (w − 1)² / 2, queries (w − 3)² / 2, in every episode."""

    fingerprint = "parabolas"

    def sample(self, partition: str, count: int, generator: torch.Generator) -> metaopt.Episodes:
        ones = torch.ones(count, 1, 1)
        return metaopt.Episodes(ones, ones, ones, 3 * ones)


def _meta_gradient(name: str, start: float, num_steps: int, **hparams: Any) -> dict[str, Tensor]:
    task = metaopt.FewShotTask(
        name="parabolas",
        family="parabolas",
        model=lambda: nn.Linear(1, 1, bias=False),
        episodes=Parabolas(),
        loss=lambda output, targets: (output - targets).square().mean() / 2,
        num_steps=num_steps,
    )
    assembly = _assembly(name, hparams)
    values = assembly.meta_values
    inner_loop = InnerLoop(task, assembly, values["order"] == "first")
    theta = inner_loop.meta.init_theta(inner_loop.parameters, torch.Generator().manual_seed(0), values)
    theta["start.weight"] = torch.tensor([[start]])
    estimator = new_estimator(inner_loop.meta, values, Unrolls(inner_loop, theta, "eager"), theta, num_steps)
    estimate, _ = estimator.estimate(theta, {}, torch.Generator().manual_seed(1))
    return dict(estimate.gradient)


@pytest.fixture
def meta_gradient() -> Callable[..., dict[str, Tensor]]:
    """`meta_gradient(name, start, num_steps, **hparams)`: of one weight, support (w − 1)² / 2, queries (w − 3)² / 2."""
    return _meta_gradient
