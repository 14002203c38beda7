"""The numbers that one output of a weight sees."""

import pytest
from torch import nn

from metaopt.parameter_roles import fan_in_of


@pytest.mark.parametrize(
    ("layer", "width"),
    [
        (nn.Linear(784, 3), 784),
        (nn.Conv2d(3, 8, 5), 75),
        (nn.Conv2d(8, 8, 3, groups=4), 18),
        (nn.Embedding(100, 16), 16),
        (nn.LSTM(20, 4), 20),
    ],
)
def test_it_counts_what_torch_s_layers_see(layer, width):
    assert fan_in_of(next(layer.parameters()).shape) == width
    assert fan_in_of((5,)) == fan_in_of(()) == 1
