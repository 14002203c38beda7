"""The layer that gives a model's output, and a head made of prototypes."""

import pytest
import torch
from torch import nn

import metaopt
from metaopt.pure_layers import output_layer, prototype_head


class Registered(nn.Module):
    """A model whose output layer is registered first."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)
        self.body = nn.Linear(4, 3)

    def forward(self, inputs):
        return self.head(self.body(inputs).tanh())


def params_of(module):
    return {name: param.detach() for name, param in module.named_parameters()}


def is_linear(layer):
    return isinstance(layer, nn.Linear)


def test_the_order_of_registration_does_not_matter():
    module, inputs = Registered(), torch.randn(5, 4)
    call = output_layer(module, params_of(module), inputs, is_linear)
    assert (call.name, call.prefix) == ("head", "head.")
    torch.testing.assert_close(call.output, module(inputs))
    torch.testing.assert_close(call.inputs, module.body(inputs).tanh())


def test_a_model_that_is_a_single_layer_has_no_prefix():
    module = nn.Linear(4, 2)
    assert output_layer(module, params_of(module), torch.randn(1, 4), is_linear).prefix == ""


def test_without_a_layer_that_counts_there_is_none():
    assert output_layer(nn.Tanh(), {}, torch.randn(1, 4), is_linear) is None


def test_the_head_is_the_nearest_mean_classifier():
    module, inputs, targets = Registered(), torch.randn(6, 4), torch.tensor([0, 1, 0, 1, 1, 0])
    params = prototype_head(module, params_of(module), inputs, targets)
    features = module.body(inputs).tanh()
    means = torch.stack([features[targets == number].mean(0) for number in (0, 1)])
    logits = torch.func.functional_call(module, params, (inputs,))
    distances = (features.unsqueeze(1) - means).square().sum(2)
    shared = features.square().sum(1, keepdim=True)  # of all classes, which a softmax does not see
    torch.testing.assert_close(logits, shared - distances)
    assert params["body.weight"] is not params["head.weight"]


@pytest.mark.parametrize(
    ("module", "targets", "message"),
    [
        (nn.Sequential(nn.Tanh()), torch.zeros(2, dtype=torch.long), "need a last nn.Linear with a bias"),
        (nn.Linear(4, 2, bias=False), torch.zeros(2, dtype=torch.long), "need a last nn.Linear with a bias"),
        (nn.Linear(4, 2).requires_grad_(False), torch.zeros(2, dtype=torch.long), "which is frozen; let it train"),
        (nn.Linear(4, 2), torch.zeros(2, 1), "need class numbers of shape"),
    ],
)
def test_where_no_head_can_be_made_one_sentence_says_why(module, targets, message):
    with pytest.raises(metaopt.InputError, match=message):
        prototype_head(module, params_of(module), torch.randn(2, 4), targets)
