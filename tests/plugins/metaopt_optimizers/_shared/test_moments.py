"""The arithmetic that the rules share."""

import pytest
import torch

from metaopt_optimizers._shared import moments


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9, 0.999, 0.99999])
@pytest.mark.parametrize("step", [1.0, 2.0, 50.0, 1e6])
def test_bias_correction_is_exact_in_float32(beta, step):
    beta32 = torch.tensor(beta)
    exact = 1 - beta32.double() ** step
    assert moments.bias_correction(beta32, torch.tensor(step)).item() == pytest.approx(exact.item(), rel=1e-6)


def test_bias_correction_has_a_finite_gradient_at_zero():
    gradient = torch.func.grad(lambda beta: moments.bias_correction(beta, torch.tensor(1.0)))(torch.tensor(0.0))
    assert torch.isfinite(gradient)


def test_root_is_the_square_root_with_a_finite_gradient_at_zero():
    values = torch.tensor([0.0, 1e-30, 4.0])
    torch.testing.assert_close(moments.root(values), values.sqrt(), rtol=1e-6, atol=1e-17)
    gradient = torch.func.grad(lambda value: moments.root(value).sum())(values)
    assert torch.isfinite(gradient).all()
    assert gradient[0] == 0


def test_averages_take_one_minus_beta_before_rounding():
    beta = torch.tensor(0.9999, dtype=torch.float64)
    average = moments.decayed(torch.zeros(1), torch.ones(1), beta)
    assert average.dtype == torch.float32
    assert average.item() == pytest.approx(1e-4, rel=1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_state_is_at_least_float32(dtype):
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert moments.zeros(torch.ones(2, dtype=dtype)).dtype == expected
