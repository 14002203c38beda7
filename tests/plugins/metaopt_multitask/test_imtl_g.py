import torch

from metaopt_multitask.imtl_g import mix


def test_its_step_has_the_same_projection_on_every_gradient(gradients, info):
    """Equation 6."""
    coefficients, _ = mix(gradients @ gradients.T, {}, {}, info())
    units = gradients / torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
    projections = units @ (coefficients @ gradients)
    assert torch.allclose(projections, projections[:1].expand(4), rtol=1e-3, atol=1e-5)
    assert torch.allclose(coefficients.sum(), torch.ones((), dtype=torch.float64))


def test_two_gradients_are_weighed_against_their_lengths(info):
    rows = torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    assert torch.allclose(mix(rows @ rows.T, {}, {}, info())[0], torch.tensor([0.8, 0.2]), atol=1e-4)
