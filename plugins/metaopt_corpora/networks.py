"""Networks that several families share."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn


def mlp(sizes: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU, *, norm: bool = False) -> nn.Module:
    """A multilayer perceptron.

    Args:
        sizes: widths from the inputs to the outputs.
        activation: made after each hidden layer.
        norm: whether LayerNorm precedes each activation.
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), *([nn.LayerNorm(after)] if norm else []), activation()]
    return nn.Sequential(*layers[: -2 if norm else -1])
