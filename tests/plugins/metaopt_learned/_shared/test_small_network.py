"""The network of two hidden layers, against the same in matrix products."""

import pytest
import torch

from metaopt_learned._shared.accumulators import fixed_decays, fresh, rolled
from metaopt_learned._shared.features import COUNT, CoordinateFeatures
from metaopt_learned._shared.small_network import first_layer, init_network, network_shapes, outputs

SIZES = (COUNT, 5, 4, 2)


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def theta_of(inputs=COUNT):
    theta = init_network((inputs, *SIZES[1:]), torch.Generator().manual_seed(1))
    return {name: weight + 0.1 if name.startswith("b") else weight for name, weight in theta.items()}


def inputs_of(grad):
    return CoordinateFeatures(grad, random(*grad.shape, seed=2), rolled(grad, fresh(grad), fixed_decays(grad.device)))


def computed(grad, theta, time=None):
    inputs = inputs_of(grad)
    return outputs(inputs, first_layer(inputs, time, theta), theta)


def in_products(columns, theta, time=None):
    """Features of shape (coordinates, features) over their root mean squares, through three layers."""
    x = columns * (columns.square().mean(0) + 1e-5).rsqrt()
    x = x if time is None else torch.cat([x, time.expand(len(x), -1)], dim=1)
    for layer in range(3):
        x = x @ theta[f"w{layer}"] + theta[f"b{layer}"]
        x = x.relu() if layer < 2 else x
    return x.unbind(1)


@pytest.mark.parametrize("time", [None, torch.tensor([0.3, -0.8])], ids=["without times", "with times"])
def test_of_a_vector_it_is_three_matrix_products(time):
    grad = random(6)
    theta = theta_of(COUNT + (0 if time is None else 2))
    columns = torch.stack(inputs_of(grad).own(slice(None)), dim=1)
    for found, expected in zip(computed(grad, theta, time), in_products(columns, theta, time), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_of_a_matrix_features_of_rows_and_columns_are_those_of_each_coordinate():
    grad, theta = random(3, 4), theta_of()
    inputs = inputs_of(grad)
    table = [*inputs.own(slice(None)), *inputs.first, *inputs.last]
    columns = torch.stack([feature.expand(3, 4).flatten() for feature in table], dim=1)
    ordered = torch.empty_like(columns)
    ordered[:, inputs.places] = columns
    for found, expected in zip(computed(grad, theta), in_products(ordered, theta), strict=True):
        torch.testing.assert_close(found.flatten(), expected, rtol=1e-4, atol=1e-5)


def test_a_transposed_matrix_has_the_transposed_outputs():
    """Rows are those of the larger dimension, wherever it stands."""
    grad, theta = random(3, 4), theta_of()
    param = random(3, 4, seed=2)

    def computed_of(grad, param):
        inputs = CoordinateFeatures(grad, param, rolled(grad, fresh(grad), fixed_decays(grad.device)))
        return outputs(inputs, first_layer(inputs, None, theta), theta)

    for found, transposed in zip(computed_of(grad, param), computed_of(grad.T, param.T), strict=True):
        torch.testing.assert_close(found, transposed.T, rtol=1e-4, atol=1e-5)


def test_shapes_are_those_of_as_many_hidden_units_as_there_are():
    theta = theta_of()
    assert network_shapes(COUNT, theta, 2) == {name: tuple(weight.shape) for name, weight in theta.items()}
    assert network_shapes(COUNT, {}, 2)["w0"] == (COUNT, 0), "of none where there are none"


def test_it_begins_with_biases_of_zero_and_weights_within_two_deviations():
    theta = init_network((100, 50, 50, 2), torch.Generator().manual_seed(0))
    assert not any(theta[f"b{layer}"].any() for layer in range(3))
    assert float(theta["w0"].abs().max()) <= 2 / 100**0.5
    assert float(theta["w0"].std()) == pytest.approx(0.88 / 100**0.5, rel=0.05), "of a normal one cut off at two"
