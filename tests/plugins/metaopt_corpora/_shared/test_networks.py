"""Perceptrons, and tasks that can widen theirs."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import metaopt
from metaopt_corpora._shared.networks import mlp, with_width


def names(module):
    return [type(layer).__name__ for layer in module]


def task_of(model):
    rows = metaopt.Split(torch.zeros(4, 3), torch.zeros(4, 1))
    splits = metaopt.Splits(rows, rows, rows)
    return metaopt.Task("t", "f", model, splits, loss=F.mse_loss, batch_size=2, num_steps=1)


def test_an_activation_follows_each_hidden_layer_and_none_the_last():
    assert names(mlp((3, 4, 5, 2), nn.Tanh)) == ["Linear", "Tanh", "Linear", "Tanh", "Linear"]
    assert [tuple(layer.weight.shape) for layer in mlp((3, 4, 5, 2)) if isinstance(layer, nn.Linear)] == [
        (4, 3),
        (5, 4),
        (2, 5),
    ]
    assert names(mlp((3, 2))) == ["Linear"]


def test_norms_come_before_activations_and_not_after_the_last_layer():
    assert names(mlp((3, 4, 2), nn.SiLU, norm=True)) == ["Linear", "LayerNorm", "SiLU", "Linear"]


@pytest.mark.parametrize(("width", "hidden"), [(1.0, [4, 6]), (2.0, [8, 12]), (0.5, [2, 3])])
def test_width_is_that_of_the_hidden_layers_alone(width, hidden):
    layers = [layer for layer in mlp((3, 4, 6, 2), width=width) if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in layers] == [*hidden, 2]
    assert layers[0].in_features == 3


def test_a_task_of_a_perceptron_can_be_widened_and_another_cannot():
    wide = with_width(task_of(partial(mlp, (3, 4, 1))))
    assert wide.widened(3.0)[0].out_features == 12
    assert wide.model()[0].out_features == 4
    other = task_of(partial(nn.Linear, 3, 1))
    assert with_width(other) is other
