"""Which examples each training step sees: a function of task and seed alone."""

import torch
from torch import Tensor


def batch_indices(num_examples: int, batch_size: int, num_steps: int, seed: int) -> Tensor:
    """Indices of each step's batch, epoch by epoch without replacement, shape (num_steps, batch_size).

    A batch may straddle two epochs; a batch larger than the data is cut to the data's size.
    """
    generator = torch.Generator().manual_seed(seed)
    size = min(batch_size, num_examples)
    epochs = -(-num_steps * size // num_examples)
    order = torch.cat([torch.randperm(num_examples, generator=generator) for _ in range(epochs)])
    return order[: num_steps * size].reshape(num_steps, size)
