"""Examples of several tasks side by side in one tensor each, as an engine wants them, and taken apart again.

A row of a split holds an example of each task. Targets lie next to each other as columns of floating numbers, which
hold class numbers exactly. Where tasks have unequally many examples, a row more than a task has repeats its first ones:
in training a small task's examples come up more often; a validation or a test, whose columns are one or two more than
those of training, looks at each example once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.contracts.tasks.task import Split, Splits

#: Columns more than in training, of splits whose tasks have unequally many examples.
_EXTRA = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class TargetColumns:
    """Where the targets of one task are.

    Attributes:
        first: the first column.
        shape: of one target.
        dtype: of targets.
        counts: examples of the task in validation and test, where tasks have unequally many; else None.
    """

    first: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    counts: tuple[int | None, int | None] = (None, None)

    @property
    def width(self) -> int:
        """Columns that one target takes."""
        return torch.Size(self.shape).numel()

    def of(self, joint: Tensor, count: int | None) -> Tensor:
        """The task's targets, shape (n, …), from those of all tasks, of shape (n, columns)."""
        own = joint[:count, self.first : self.first + self.width]
        return own.reshape(len(own), *self.shape).to(self.dtype)


@dataclass(frozen=True)
class JointTargets:
    """The targets of all tasks in one tensor; see above."""

    columns: tuple[TargetColumns, ...]

    @property
    def width(self) -> int:
        """Columns of targets of training."""
        return sum(own.width for own in self.columns)

    def counts(self, joint: Tensor) -> list[int | None]:
        """How many rows are examples of each task; None where all are."""
        extra = joint.shape[1] - self.width
        return [own.counts[extra - 1] if extra else None for own in self.columns]

    def apart(self, joint: Tensor) -> list[Tensor]:
        """Targets of each task, of shape (n, …) each."""
        return [own.of(joint, count) for own, count in zip(self.columns, self.counts(joint), strict=True)]


def joined(parts: Sequence[Splits], stacked: bool) -> tuple[Splits, JointTargets]:
    """Splits of all tasks, and how to take the targets apart.

    Args:
        parts: of each task.
        stacked: whether each task has inputs of its own, of the same shape; else the first task's are everybody's.
    """
    uneven = {name: len({len(getattr(part, name)) for part in parts}) > 1 for name in _EXTRA}
    columns, first = [], 0
    for part in parts:
        counts = [len(getattr(part, name)) if uneven[name] else None for name in ("validation", "test")]
        targets = part.train.targets
        columns.append(TargetColumns(first, tuple(targets.shape[1:]), targets.dtype, (counts[0], counts[1])))
        first += columns[-1].width
    exact = all(part.train.targets.dtype == torch.float32 for part in parts)
    dtype = torch.float32 if exact else torch.float64
    splits = {name: _joined([getattr(part, name) for part in parts], stacked, dtype) for name in _EXTRA}
    for name, extra in _EXTRA.items():
        if extra and uneven[name]:
            inputs, own = splits[name].inputs, splits[name].targets
            splits[name] = Split(inputs, torch.cat([own, own.new_zeros(len(own), extra)], 1))
    return Splits(**splits), JointTargets(tuple(columns))


def _joined(parts: Sequence[Split], stacked: bool, dtype: torch.dtype) -> Split:
    most = max(len(part) for part in parts)
    rows = [torch.arange(most) % len(part) for part in parts]
    targets = [part.targets[own].reshape(most, -1).to(dtype) for part, own in zip(parts, rows, strict=True)]
    inputs = parts[0].inputs
    if stacked:
        inputs = torch.stack([part.inputs[own] for part, own in zip(parts, rows, strict=True)], 1)
    return Split(inputs, torch.cat(targets, 1))
