"""The model of a table that names none."""

import pytest
import torch
from torch import nn

from metaopt.tasks.tables.mlp import CategoryEmbeddings, embedding_mlp, mlp


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


def test_an_embedding_is_a_row_of_a_table_for_each_value():
    model = CategoryEmbeddings([(1, 3), (5, 200)], 206)
    assert model.num_outputs == 3 + 2 + 50  # inputs 0, 4 and 205 pass
    rows = torch.zeros(2, 206)
    rows[:, 0], rows[:, 4], rows[:, 205] = 7.0, 8.0, 9.0
    rows[0, 2], rows[1, 1] = 1.0, 1.0
    output = model(rows)
    assert output[:, :3].tolist() == [[7.0, 8.0, 9.0]] * 2
    torch.testing.assert_close(output[0, 3:5], model.tables[0].weight[:, 1])
    torch.testing.assert_close(output[1, 3:5], model.tables[0].weight[:, 0])


def test_members_of_a_population_embed_at_once():
    places = [(0, 4)]
    models = [embedding_mlp(places, 6, 2) for _ in range(3)]
    params, buffers = torch.func.stack_module_state(models)
    rows = torch.randn(5, 6)

    def output(own, state):
        return torch.func.functional_call(models[0], (own, state), (rows,))

    together = torch.vmap(output)(params, buffers)
    for member, model in enumerate(models):
        torch.testing.assert_close(together[member], model(rows))
