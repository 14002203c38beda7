import torch

from metaopt_multitask.aligned_mtl import mix


def test_it_is_the_mean_of_the_closest_gradients_that_are_orthogonal_and_equally_long(gradients, info):
    """Equation 11 by a singular value decomposition of the gradients themselves."""
    left, values, right = torch.linalg.svd(gradients.T, full_matrices=False)
    aligned = values.min() * left @ right
    coefficients, _ = mix(gradients @ gradients.T, {}, {}, info())
    assert torch.allclose(coefficients @ gradients, aligned.mean(1), atol=1e-8)


def test_gradients_that_depend_on_each_other_are_taken_in_their_span(info):
    row = torch.tensor([[1.0, 2.0], [2.0, 4.0]])
    combined = mix(row @ row.T, {}, {}, info())[0] @ row
    assert torch.cosine_similarity(combined, row[0], 0) > 0.9999
    assert torch.equal(mix(torch.zeros(3, 3), {}, {}, info())[0], torch.zeros(3))
