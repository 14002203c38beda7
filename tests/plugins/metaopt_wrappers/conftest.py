from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import metaopt


class Waves:
    """A small regression in float64, trained on eight batches in turn."""

    steps = 60
    inputs = torch.randn(64, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    targets = (inputs[:, :1] * inputs[:, 1:2]).sin()

    def model(self) -> nn.Module:
        """The same weights each time."""
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).double()

    def trained(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module,
        steps: int = steps,
        after: Callable[[], Any] = lambda: None,
    ) -> Tensor:
        """All parameters in a row after each step, shape (steps, parameters)."""
        found = []
        for step in range(steps):
            rows = slice(8 * (step % 8), 8 * (step % 8) + 8)
            optimizer.zero_grad()
            (model(self.inputs[rows]) - self.targets[rows]).square().mean().backward()
            optimizer.step()
            after()
            found.append(torch.cat([param.detach().flatten() for param in model.parameters()]))
        return torch.stack(found)

    def ours(self, name: str, wrapper: str, **hparams: Any) -> Tensor:
        """What `trained` says of an optimizer in one wrapper."""
        model = self.model()
        return self.trained(metaopt.create_optimizer(name, model, wrappers=[wrapper], **hparams), model)


@pytest.fixture
def waves() -> Waves:
    """A model, its data, and how it is trained."""
    return Waves()
