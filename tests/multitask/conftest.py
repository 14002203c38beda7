import pytest
import torch
from torch import nn

import metaopt


@pytest.fixture
def model():
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4), nn.Tanh())
    return metaopt.SharedTrunk(trunk, {"a": nn.Linear(4, 1), "b": nn.Linear(4, 3), "c": nn.Linear(4, 2)})


@pytest.fixture
def losses():
    """Losses of a model's outputs, by task."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(12, 5, generator=generator)
    number, three = torch.randn(12, 1, generator=generator), torch.randint(3, (12,), generator=generator)

    def of(model, given=inputs):
        outputs = model(given)
        return {
            "a": 10 * nn.functional.mse_loss(outputs["a"], number),
            "b": nn.functional.cross_entropy(outputs["b"], three),
            "c": nn.functional.cross_entropy(outputs["c"], (three > 0).long()),
        }

    return of
