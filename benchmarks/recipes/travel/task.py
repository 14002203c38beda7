"""A task that `travel` trains: a model, training rows, judging rows and a budget."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn

#: Inputs and targets.
Batch = tuple[Tensor, Tensor]
#: Mean loss of a model over a batch, 0-d.
Loss = Callable[[nn.Module, Batch], Tensor]
#: Windows and rows of a judging batch.
JUDGED_AT_ONCE = 250


class Training(Protocol):
    """Training data, which can be drawn from."""

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[Batch]: ...

    def tensors(self) -> tuple[Tensor, ...]: ...


@dataclass(frozen=True)
class Rows:
    """Rows of inputs and targets, drawn without replacement, epoch after epoch.

    Attributes:
        inputs: shape (rows, …).
        targets: shape (rows, …).
    """

    inputs: Tensor
    targets: Tensor

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[Batch]:
        while True:
            order = torch.randperm(len(self.targets), generator=generator)
            for rows in order[: len(order) // batch_size * batch_size].split(batch_size):
                yield self.inputs[rows], self.targets[rows]

    def tensors(self) -> tuple[Tensor, ...]:
        return self.inputs, self.targets

    def judging(self) -> list[Batch]:
        return list(zip(self.inputs.split(JUDGED_AT_ONCE), self.targets.split(JUDGED_AT_ONCE), strict=True))


@dataclass(frozen=True)
class Windows:
    """A text as codes, drawn as windows: what comes next is the target at every place.

    Attributes:
        codes: shape (tokens,).
        context: tokens of a window.
    """

    codes: Tensor
    context: int

    def at(self, starts: Tensor) -> Batch:
        windows = self.codes[starts[:, None] + torch.arange(self.context + 1)]
        return windows[:, :-1], windows[:, 1:]

    def batches(self, batch_size: int, generator: torch.Generator) -> Iterator[Batch]:
        while True:
            yield self.at(torch.randint(len(self.codes) - self.context, (batch_size,), generator=generator))

    def tensors(self) -> tuple[Tensor, ...]:
        return (self.codes,)

    def spread(self, count: int) -> "Rows":
        """Windows at equal distances."""
        return Rows(*self.at(torch.linspace(0, len(self.codes) - self.context - 1, count).long()))


@dataclass(frozen=True)
class Data:
    """What a task trains on, chooses a checkpoint by, and is judged by."""

    training: Training
    validation: Rows
    test: Rows


@dataclass(frozen=True)
class TravelTask:
    """A model with its data and budget.

    Attributes:
        name: how tables and stores call it.
        kind: what sort of model or training it is.
        model: makes the model, its weights drawn from torch's generator.
        load: makes the data.
        loss: mean loss of a model over a batch.
        batch_size: examples a step.
        num_steps: training steps.
        needs: files of the data folder.
        num_validations: validations, evenly spread.
        version: raised where what model or loss compute changes though shapes do not, so that stored runs are left.
    """

    name: str
    kind: str
    model: Callable[[], nn.Module]
    load: Callable[[], Data]
    loss: Loss
    batch_size: int
    num_steps: int
    needs: tuple[str, ...] = ()
    num_validations: int = 12
    version: int = 1

    @cached_property
    def data(self) -> Data:
        return self.load()

    def build(self, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return self.model()

    @cached_property
    def parameters(self) -> int:
        """Numbers of the whole model, frozen ones included."""
        return sum(param.numel() for param in self.build(0).parameters())

    @cached_property
    def trainable(self) -> int:
        return sum(param.numel() for param in self.build(0).parameters() if param.requires_grad)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with data, shapes, budget and version: runs under another fingerprint are of another task.

        Weights and losses are not in it, nor the last digits of numbers, for these differ between machines.
        """
        shapes = [(name, tuple(param.shape), param.requires_grad) for name, param in self.build(0).named_parameters()]
        parts = (self.data.training, self.data.validation, self.data.test)
        data = [digest(tensor) for part in parts for tensor in part.tensors()]
        budget = (self.batch_size, self.num_steps, self.num_validations)
        return hashlib.sha256(repr((self.name, self.version, budget, shapes, data)).encode()).hexdigest()[:16]


def digest(tensor: Tensor) -> tuple[object, ...]:
    """Of whole numbers all, of others shape, mean and spread in four digits."""
    if tensor.is_floating_point():
        numbers = tensor.double()
        return tuple(tensor.shape), f"{numbers.mean():.3e}", f"{numbers.std():.3e}"
    return tuple(tensor.shape), hashlib.sha256(tensor.long().contiguous().numpy().tobytes()).hexdigest()


# Losses


def next_token(model: nn.Module, batch: Batch) -> Tensor:
    """Cross-entropy over all places, in nats."""
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())


def classes(model: nn.Module, batch: Batch) -> Tensor:
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs), targets)


def squares(model: nn.Module, batch: Batch) -> Tensor:
    inputs, targets = batch
    return nn.functional.mse_loss(model(inputs), targets)


def yes_or_no(model: nn.Module, batch: Batch) -> Tensor:
    inputs, targets = batch
    return nn.functional.binary_cross_entropy_with_logits(model(inputs), targets)


def evidence_bound(model: nn.Module, batch: Batch) -> Tensor:
    """Negative evidence lower bound of binary images, in nats an image; the model gives it itself."""
    return model(batch[0])
