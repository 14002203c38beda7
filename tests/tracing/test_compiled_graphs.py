"""A function compiled for shapes gives what it gives, whatever strides arguments come with."""

import shutil
import warnings

import pytest
import torch
from torch.func import grad_and_value

from metaopt.tracing.compiled_graphs import compiled

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None and shutil.which("clang++") is None, reason="needs a C++ compiler"),
]


def gradients(weights, inputs):
    def loss(weights):
        return (inputs @ weights).tanh().square().mean()

    return [*torch.vmap(grad_and_value(loss))(weights)]


def test_a_vmapped_gradient_is_the_same_compiled():
    generator = torch.Generator().manual_seed(0)
    weights, inputs = torch.randn(3, 5, 2, generator=generator), torch.randn(7, 5, generator=generator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, on import of its compiler
        graph = compiled(gradients, weights, inputs)
    other = torch.randn(3, 5, 2, generator=generator)
    for strided in (other, other.transpose(1, 2).contiguous().transpose(1, 2)):
        for value, expected in zip(graph(strided, inputs), gradients(strided, inputs), strict=True):
            torch.testing.assert_close(value, expected)
