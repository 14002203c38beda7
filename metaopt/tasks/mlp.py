"""The model of a table that names none."""

from torch import nn

WIDTH = 64


def mlp(num_inputs: int, num_outputs: int) -> nn.Module:
    """Two hidden layers of 64 ReLU units.

    Args:
        num_inputs: width of the inputs, shape (n, num_inputs).
        num_outputs: width of the output, shape (n, num_outputs): classes, or 1.
    """
    return nn.Sequential(
        nn.Linear(num_inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, num_outputs)
    )
