"""Recurrent layers in plain arithmetic compute what torch's own do, and can be vmapped and differentiated twice."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad
from torch.nn.utils.rnn import pack_padded_sequence

from metaopt.pure_layers.norms import batched

LAYERS = {
    "lstm": (nn.LSTM, {}),
    "gru": (nn.GRU, {}),
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "projected lstm": (nn.LSTM, {"proj_size": 2}),
}
SHAPES = [
    {},
    {"batch_first": True},
    {"num_layers": 2, "bidirectional": True},
    {"bias": False, "num_layers": 2},
    {"bidirectional": True, "batch_first": True, "bias": False},
]


def everything(result):
    output, hidden = result
    return [output, *(hidden if isinstance(hidden, tuple) else (hidden,))]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_gradients_are_those_of_torch(name, shape):
    kind, own = LAYERS[name]
    layer, inputs = kind(3, 4, **own, **shape, dtype=torch.float64), torch.randn(5, 6, 3, dtype=torch.float64)
    start = [torch.randn_like(one) for one in everything(layer(inputs))[1:]]
    hidden = tuple(start) if kind is nn.LSTM else start[0]

    def computed():
        found = everything(layer(inputs, hidden))
        return found, torch.autograd.grad(sum(one.square().sum() for one in found), list(layer.parameters()))

    expected = computed()
    with batched():
        torch.testing.assert_close(computed(), expected)


@pytest.mark.parametrize("name", LAYERS)
def test_many_copies_are_differentiated_twice_side_by_side(name):
    kind, own = LAYERS[name]
    layer = kind(3, 4, batch_first=True, dtype=torch.float64, **own)
    params = {key: param.detach() for key, param in layer.named_parameters()}
    inputs = torch.randn(2, 5, 6, 3, dtype=torch.float64)

    def loss(params, inputs):
        return functional_call(layer, params, (inputs,))[0].square().mean()

    def second(params, inputs):
        return grad(lambda params: sum(one.square().sum() for one in grad(loss)(params, inputs).values()))(params)

    expected = [second(params, one) for one in inputs]
    with batched(), torch.no_grad():
        found = torch.vmap(second, in_dims=(None, 0))(params, inputs)
    for index, one in enumerate(expected):
        torch.testing.assert_close({key: value[index] for key, value in found.items()}, one)


def test_one_sequence_without_a_batch_and_packed_ones_are_taken_too():
    layer, inputs = nn.GRU(3, 4), torch.randn(5, 3)
    packed = pack_padded_sequence(torch.randn(5, 2, 3), torch.tensor([5, 3]))
    expected = layer(inputs)[0], layer(packed)[0].data
    with batched():
        torch.testing.assert_close((layer(inputs)[0], layer(packed)[0].data), expected)


def test_dropout_between_layers_is_for_training_alone():
    layer, inputs = nn.LSTM(3, 64, num_layers=2, dropout=0.5), torch.randn(5, 2, 3)
    with batched():
        first, second = layer(inputs)[0], layer(inputs)[0]
        assert not torch.equal(first, second)
        layer.eval()
        torch.testing.assert_close(layer(inputs)[0], layer(inputs)[0])
