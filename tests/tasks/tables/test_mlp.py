"""The model of a table that names none."""

import pytest
import torch
from torch import nn

from metaopt.tasks.tables.mlp import mlp


@pytest.mark.parametrize(("width", "hidden"), [(1.0, 64), (0.5, 32), (2.0, 128)])
def test_two_hidden_layers_are_as_wide_as_asked(width, hidden):
    layers = [layer for layer in mlp(5, 3, width) if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(5, hidden), (hidden, hidden), (hidden, 3)]
    assert sum(isinstance(layer, nn.ReLU) for layer in mlp(5, 3, width)) == 2


def test_rows_go_in_and_outputs_come_out():
    model = mlp(5, 3)
    assert model(torch.zeros(7, 5)).shape == (7, 3)
    assert sum(parameter.numel() for parameter in model.parameters()) == 6 * 64 + 65 * 64 + 65 * 3


def test_the_output_is_no_linear_function_of_the_inputs():
    torch.manual_seed(0)
    model, rows = mlp(2, 1), torch.randn(16, 2)
    middle = model((rows[:8] + rows[8:]) / 2)
    assert not torch.allclose(middle, (model(rows[:8]) + model(rows[8:])) / 2, atol=1e-4)
