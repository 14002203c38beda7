"""Networks that several families share."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from torch import nn

import metaopt


def mlp(
    sizes: Sequence[int],
    activation: Callable[[], nn.Module] = nn.ReLU,
    *,
    norm: bool = False,
    width: float = 1.0,
) -> nn.Module:
    """A multilayer perceptron.

    Args:
        sizes: widths from the inputs to the outputs.
        activation: made after each hidden layer.
        norm: whether LayerNorm precedes each activation.
        width: by how much the hidden layers are wider than `sizes` says.
    """
    layers: list[nn.Module] = []
    hidden = [round(width * size) for size in sizes[1:-1]]
    for before, after in pairwise([sizes[0], *hidden, sizes[-1]]):
        layers += [nn.Linear(before, after), *([nn.LayerNorm(after)] if norm else []), activation()]
    return nn.Sequential(*layers[: -2 if norm else -1])


def with_width(task: metaopt.Task) -> metaopt.Task:
    """The task, able to widen its model where that is an `mlp`."""
    if not isinstance(task.model, partial) or task.model.func is not mlp:
        return task
    return dataclasses.replace(task, widened=partial(_widened, task.model))


def _widened(model: Callable[..., nn.Module], width: float) -> nn.Module:
    return model(width=width)
