"""Which examples each training step sees: a function of task and seed alone."""

from collections.abc import Sequence

import torch
from torch import Tensor

from metaopt.contracts import Task


def batch_indices(num_examples: int, batch_size: int, num_steps: int, seed: int) -> Tensor:
    """Indices of each step's batch, epoch by epoch without replacement, shape (num_steps, batch_size).

    A batch may straddle two epochs; a batch larger than the data is cut to the data's size.
    """
    generator = torch.Generator().manual_seed(seed)
    size = min(batch_size, num_examples)
    epochs = -(-num_steps * size // num_examples)
    order = torch.cat([torch.randperm(num_examples, generator=generator) for _ in range(epochs)])
    return order[: num_steps * size].reshape(num_steps, size)


def first_inputs(task: Task) -> Tensor:
    """A copy of the first inputs of a task, by which roles of its models' parameters are found; shape (≤ 2, …)."""
    inputs: Tensor = task.splits.train.inputs[:2].clone()
    return inputs


class Batches:
    """Each step's batch: one for all members where they share a seed, else one for each.

    Args:
        task: whose training split to draw from.
        seeds: of the members.

    Attributes:
        shared: whether all members see the same batches.
    """

    def __init__(self, task: Task, seeds: Sequence[int]) -> None:
        self._train = task.splits.train
        indices = {seed: batch_indices(len(self._train), task.batch_size, task.num_steps, seed) for seed in set(seeds)}
        self.shared = len(indices) == 1
        self._indices = indices[seeds[0]] if self.shared else torch.stack([indices[seed] for seed in seeds], dim=1)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets, of shape (batch, …), or (members, batch, …) unless shared."""
        rows = self._indices[step]
        return self._rows(self._train.inputs, rows), self._rows(self._train.targets, rows)

    def _rows(self, data: Tensor, rows: Tensor) -> Tensor:
        examples: Tensor = data.index_select(0, rows.reshape(-1)).unflatten(0, rows.shape)
        return examples
