import pytest
import torch

import metaopt


@pytest.fixture
def info():
    """The step after so many, of a hundred."""
    return lambda step=0: metaopt.StepInfo(torch.tensor(float(step)), torch.tensor(100.0))


@pytest.fixture
def gradients():
    """Gradients of four tasks that are at odds, in double precision."""
    rows = torch.randn(4, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return rows * torch.tensor([[1.0], [3.0], [0.5], [2.0]], dtype=torch.float64)
