"""The model of a table that names none."""

from torch import nn

WIDTH = 64


def mlp(num_inputs: int, num_outputs: int, width: float = 1.0) -> nn.Module:
    """Two hidden layers of 64 ReLU units.

    Args:
        num_inputs: width of the inputs, shape (n, num_inputs).
        num_outputs: width of the output, shape (n, num_outputs): classes, or 1.
        width: by how much the hidden layers are wider than 64.
    """
    hidden = round(width * WIDTH)
    return nn.Sequential(
        nn.Linear(num_inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, num_outputs)
    )
