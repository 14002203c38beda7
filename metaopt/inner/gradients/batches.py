"""Which examples each training step sees: a function of task and seed alone."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from metaopt.contracts import Task, called
from metaopt.errors import InputError

#: Apart from the seed of batches, so that what is drawn for an example says nothing of which one it is.
_STREAM = 0x617567


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
        task: whose training split to draw from, and whose augmentation the batches go through.
        seeds: of the members.

    Attributes:
        shared: whether all members see the same batches.
    """

    def __init__(self, task: Task, seeds: Sequence[int]) -> None:
        self._task, self._train = task, task.splits.train
        indices = {seed: batch_indices(len(self._train), task.batch_size, task.num_steps, seed) for seed in set(seeds)}
        self.shared = len(indices) == 1
        self._seeds = list(seeds[:1]) if self.shared else list(seeds)
        self._indices = indices[seeds[0]] if self.shared else torch.stack([indices[seed] for seed in seeds], dim=1)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets, of shape (batch, …), or (members, batch, …) unless shared."""
        rows = self._indices[step]
        inputs, targets = self._rows(self._train.inputs, rows), self._rows(self._train.targets, rows)
        return inputs if self._task.augment is None else self._augmented(inputs, step), targets

    def _rows(self, data: Tensor, rows: Tensor) -> Tensor:
        examples: Tensor = data.index_select(0, rows.reshape(-1)).unflatten(0, rows.shape)
        return examples

    def _augmented(self, inputs: Tensor, step: int) -> Tensor:
        """The inputs, changed once for each seed."""
        if self.shared:
            return augmented(self._task, inputs, self._seeds[0], step)
        changed: dict[int, Tensor] = {}
        for seed, own in zip(self._seeds, inputs, strict=True):
            if seed not in changed:
                changed[seed] = augmented(self._task, own, seed, step)
        return torch.stack([changed[seed] for seed in self._seeds])


def augmented(task: Task, inputs: Tensor, seed: int, step: int) -> Tensor:
    """A batch of a task as its augmentation changes it at a step of a seed's training.

    Args:
        task: with an augmentation.
        inputs: of a batch, shape (batch, …).
        seed: of the member.
        step: from 0.

    Raises:
        InputError: the task's own code fails at it, or makes something of another shape or type.
    """
    augment = task.augment
    assert augment is not None
    # torch's generator takes 32 bits, which a sum of seed and step would soon fill twice.
    generator = torch.Generator().manual_seed(
        int(np.random.SeedSequence((_STREAM, seed, step)).generate_state(1, np.uint32)[0])
    )
    changed = called(task.name, "augment", lambda: augment(inputs, generator))
    if not isinstance(changed, Tensor) or changed.shape != inputs.shape or changed.dtype != inputs.dtype:
        got = f"{changed.dtype} {tuple(changed.shape)}" if isinstance(changed, Tensor) else type(changed).__name__
        raise InputError(
            f"Task {task.name!r}: augment must keep the inputs' type and shape, {inputs.dtype} {tuple(inputs.shape)}, "
            f"got {got}."
        )
    return changed
