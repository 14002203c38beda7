from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import metaopt
from metaopt.space import encode, resolve


def _rates(spec: metaopt.ControllerSpec, horizon: int | None, num_steps: int, **hparams: Any) -> Tensor:
    numbers = encode(spec.space, resolve(spec.space, hparams, spec.name))
    tensors = {name: torch.tensor(number, dtype=torch.float64) for name, number in numbers.items()}
    planned = None if horizon is None else torch.tensor(float(horizon), dtype=torch.float64)
    steps = torch.arange(num_steps, dtype=torch.float64)
    infos = [metaopt.StepInfo(step=step, horizon=planned) for step in steps]
    return torch.stack([spec.controller.update({}, info, tensors)[0].value for info in infos])


def _torch_rates(make: Callable[[torch.optim.Optimizer], Any], num_steps: int) -> Tensor:
    optimizer = torch.optim.SGD([torch.zeros(1, dtype=torch.float64)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(num_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return torch.tensor(rates, dtype=torch.float64)


@pytest.fixture
def rates() -> Callable[..., Tensor]:
    """Rates of `spec` at steps 0 … num_steps − 1: `rates(spec, horizon, num_steps, **hparams)`."""
    return _rates


@pytest.fixture
def torch_rates() -> Callable[..., Tensor]:
    """Rates that a scheduler of torch gives an optimizer whose lr is 1: `torch_rates(make_scheduler, num_steps)`."""
    return _torch_rates


def _follow(
    spec: metaopt.ControllerSpec, losses: Sequence[float], norms: Sequence[float] | None = None, **hparams: Any
) -> list[float]:
    numbers = encode(spec.space, resolve(spec.space, hparams, spec.name))
    tensors = {name: torch.tensor(number, dtype=torch.float64) for name, number in numbers.items()}
    state, found = spec.controller.init(tensors), []
    for step, loss in enumerate(losses):
        signals = {} if norms is None else {"gradient_norm": torch.tensor(norms[step], dtype=torch.float64)}
        info = metaopt.StepInfo(
            torch.tensor(float(step)), loss=torch.tensor(loss, dtype=torch.float64), signals=signals
        )
        rate, state = spec.controller.update(state, info, tensors)
        found.append(float(rate.value))
    return found


@pytest.fixture
def follow() -> Callable[..., list[float]]:
    """Rates of `spec` beside training losses and gradients' norms: `follow(spec, losses, norms, **hparams)`."""
    return _follow
