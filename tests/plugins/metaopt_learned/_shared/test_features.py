"""What small networks read of a coordinate."""

import pytest
import torch

from metaopt_learned._shared.accumulators import fixed_decays, fresh, rolled
from metaopt_learned._shared.features import CHUNK, COLUMNS, COUNT, OWN, ROWS, CoordinateFeatures

EVERYTHING = slice(None)


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def features_of(grad, param):
    state = rolled(grad, fresh(grad), fixed_decays(grad.device))
    return CoordinateFeatures(grad, param, state), state


def test_those_of_a_vector_worked_out_one_by_one():
    grad, param = random(4), 2 * random(4)
    inputs, state = features_of(grad, param)
    found = inputs.own(EVERYTHING)
    assert len(found) == COUNT
    second, momentum, whole = state["second"], state["momentum"], state["whole"]
    roots = (whole + 1e-8).rsqrt()
    expected = [grad, param, *momentum, *second, *(momentum * (second + 1e-6).rsqrt()), *(second + 1e-6).rsqrt()]
    expected += [*(grad * (whole + 1e-9).rsqrt()), *whole, *whole, *roots, *roots]
    expected += [*(momentum * (whole + 1e-6).rsqrt())]
    for place, (value, reference) in enumerate(zip(found, expected, strict=True)):
        torch.testing.assert_close(value, reference, rtol=1e-5, atol=1e-7, msg=f"feature {place}")
    assert (inputs.first, inputs.last, inputs.along) == (None, None, 0)


def test_those_of_a_matrix_are_its_coordinates_own_and_those_of_rows_and_columns():
    inputs, state = features_of(random(4, 3), random(4, 3))
    assert len(inputs.own(EVERYTHING)) == len(OWN)
    assert inputs.first.shape == (6, 4, 1)
    assert inputs.last.shape == (6, 1, 3)
    torch.testing.assert_close(inputs.first[:3, :, 0], state["first"])
    torch.testing.assert_close(inputs.last[3:, 0], (state["last"] + 1e-8).rsqrt())
    assert sorted(inputs.places) == list(range(COUNT))
    assert inputs.swapped == [*OWN, *COLUMNS, *ROWS]


@pytest.mark.parametrize("shape", [(4, 3), (3, 4)])
def test_the_factored_gradient_of_squares_that_are_a_product_is_its_sign_over_the_root_of_one_step(shape):
    """Where g² = u vᵀ, row and column means give g² back: what is left of it is √(1/(1 − decay))."""
    grad = torch.outer(random(shape[0]).abs() + 0.5, random(shape[1]).abs() + 0.5)
    grad[0] *= -1
    inputs, _ = features_of(grad, grad)
    # Of a coordinate's own features those from the eleventh on: the gradient by rows and columns, at three decays.
    for value, decay in zip(inputs.own(EVERYTHING)[10:13], (0.9, 0.99, 0.999), strict=True):
        torch.testing.assert_close(value, grad.sign() * (1 - decay) ** -0.5, rtol=1e-3, atol=1e-4)


def test_a_large_tensor_is_read_in_parts_that_are_the_whole():
    grad, param = random(300, 500), random(300, 500)
    inputs, _ = features_of(grad, param)
    parts = inputs.parts()
    assert len(parts) == 3 > len(features_of(random(4, 3), random(4, 3))[0].parts())
    assert all(len(inputs.gradient(part)) * 500 <= CHUNK for part in parts)
    together = [torch.cat(columns) for columns in zip(*map(inputs.own, parts), strict=True)]
    for value, whole in zip(together, inputs.own(EVERYTHING), strict=True):
        assert torch.equal(value, whole)
