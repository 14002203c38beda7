"""Least squares with a given condition number."""

import pytest
import torch

from metaopt_corpora.quadratics import quadratic_splits


@pytest.mark.parametrize("condition", [10, 10_000])
def test_the_bowl_is_as_narrow_as_asked(condition):
    data = quadratic_splits(condition, seed=0)
    inputs = torch.cat([data.train.inputs, data.validation.inputs, data.test.inputs]).double()
    eigenvalues = torch.linalg.eigvalsh(inputs.T @ inputs / len(inputs))
    assert 0.5 * condition < (eigenvalues[-1] / eigenvalues[0]).item() < 2 * condition


def test_least_squares_reaches_the_noise():
    data = quadratic_splits(300, seed=0, noise=0.1)
    solution = torch.linalg.lstsq(data.train.inputs.double(), data.train.targets.double()).solution
    error = (data.test.inputs.double() @ solution - data.test.targets).square().mean().item()
    assert 0.007 < error < 0.015
    assert data.test.targets.std().item() == pytest.approx(1, abs=0.15)
