import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from metaopt_multitask.cagrad import mix


def by_solver(gradients, c):
    """Algorithm 1 with scipy's solver, as the authors have it."""
    rows = gradients.numpy()
    mean = rows.mean(0)

    def objective(w):
        own = w @ rows
        return own @ mean + c * np.linalg.norm(mean) * np.linalg.norm(own)

    start = np.full(len(rows), 1 / len(rows))
    sums = {"type": "eq", "fun": lambda w: w.sum() - 1}
    w = minimize(objective, start, bounds=[(0, 1)] * len(rows), constraints=sums, options={"ftol": 1e-12}).x @ rows
    return torch.tensor((mean + c * np.linalg.norm(mean) / np.linalg.norm(w) * w) / (1 + c))


@pytest.mark.parametrize("c", [0.2, 0.8])
def test_it_is_near_the_solvers_direction(gradients, info, c):
    coefficients, _ = mix(gradients @ gradients.T, {}, {"c": torch.tensor(c)}, info())
    expected = by_solver(gradients, c)
    combined = coefficients @ gradients
    assert torch.cosine_similarity(combined, expected, 0) > 0.998
    assert torch.linalg.vector_norm(combined - expected) < 0.06 * torch.linalg.vector_norm(expected)


def test_without_a_radius_it_is_the_mean(gradients, info):
    coefficients, _ = mix(gradients @ gradients.T, {}, {"c": torch.tensor(0.0)}, info())
    assert torch.allclose(coefficients, torch.full((4,), 0.25, dtype=torch.float64))
