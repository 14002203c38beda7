"""Black boxes with hyperparameters of their own: small models on scikit-learn's data."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor, nn

import metaopt

VALIDATIONS = 4


@dataclass(frozen=True)
class Box:
    """A training whose model and loop follow hyperparameters.

    Attributes:
        load: makes inputs and targets; class numbers or real numbers.
        model: makes the network from the number of inputs and outputs and the hyperparameters that it takes.
        space: of the task's own.
        steps: of a training.
        rows: of the data that are used, at most.
        wrong: share of training labels that are drawn anew.
    """

    load: Callable[[], tuple[Tensor, Tensor]]
    model: Callable[..., nn.Module]
    space: Mapping[str, metaopt.Float | metaopt.Int | metaopt.Categorical]
    steps: int = 60
    rows: int = 10_000
    wrong: float = 0.0


@cache
def digits() -> tuple[Tensor, Tensor]:
    inputs, targets = datasets.load_digits(return_X_y=True)
    return torch.tensor(inputs, dtype=torch.float32) / 16, torch.tensor(targets)


@cache
def breast_cancer() -> tuple[Tensor, Tensor]:
    return standardized(*datasets.load_breast_cancer(return_X_y=True))


@cache
def clusters() -> tuple[Tensor, Tensor]:
    """A seventh of the labels says nothing."""
    made = datasets.make_classification(800, 30, n_informative=8, n_classes=4, flip_y=0.15, random_state=0)
    return standardized(*made)


@cache
def diabetes() -> tuple[Tensor, Tensor]:
    inputs, targets = datasets.load_diabetes(return_X_y=True)
    inputs, _ = standardized(inputs, targets)
    return inputs, torch.tensor((targets - targets.mean()) / targets.std(), dtype=torch.float32).unsqueeze(1)


def standardized(inputs: Any, targets: Any) -> tuple[Tensor, Tensor]:
    scaled = (inputs - inputs.mean(0)) / np.maximum(inputs.std(0), 1e-9)
    return torch.tensor(scaled, dtype=torch.float32), torch.tensor(targets)


def mlp(ins: int, outs: int, *, width: int = 64, dropout: float = 0.0, activation: str = "relu") -> nn.Module:
    between = {"relu": nn.ReLU, "tanh": nn.Tanh, "silu": nn.SiLU}[activation]
    return nn.Sequential(
        nn.Linear(ins, width),
        between(),
        nn.Dropout(dropout),
        nn.Linear(width, width),
        between(),
        nn.Linear(width, outs),
    )


def convolutional(ins: int, outs: int, *, channels: int, dropout: float) -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(16 * channels, outs),
    )


class Rows(nn.Module):
    """A GRU that reads a digit row by row."""

    def __init__(self, outs: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.recurrent = nn.GRU(8, hidden, batch_first=True)
        self.last = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, outs))

    def forward(self, inputs: Tensor) -> Tensor:
        states, _ = self.recurrent(inputs.unflatten(1, (8, 8)))
        result: Tensor = self.last(states[:, -1])
        return result


def gru(ins: int, outs: int, *, hidden: int, dropout: float) -> nn.Module:
    return Rows(outs, hidden, dropout)


BATCH = metaopt.Int(8, 128, log=True, default=64)
DROPOUT = metaopt.Float(0.0, 0.7, default=0.0)
WIDTH = metaopt.Int(8, 128, log=True, default=64)
NOISE = metaopt.Float(0.0, 1.0, default=0.0)
SMOOTHING = metaopt.Float(0.0, 0.4, default=0.0)
ACTIVATION = metaopt.Categorical(("relu", "tanh", "silu"))

BOXES = {
    "digits_mlp": Box(digits, mlp, {"batch": BATCH, "dropout": DROPOUT}),
    "digits_few": Box(digits, mlp, {"dropout": DROPOUT, "noise": NOISE, "width": WIDTH}, rows=400),
    "digits_wrong": Box(digits, mlp, {"smoothing": SMOOTHING, "dropout": DROPOUT, "batch": BATCH}, rows=900, wrong=0.2),
    "digits_conv": Box(
        digits,
        convolutional,
        {"channels": metaopt.Int(4, 16, log=True, default=8), "dropout": DROPOUT, "batch": BATCH},
        steps=40,
    ),
    "digits_gru": Box(
        digits, gru, {"hidden": metaopt.Int(8, 48, log=True, default=24), "dropout": DROPOUT, "batch": BATCH}, steps=40
    ),
    "breast_cancer": Box(breast_cancer, mlp, {"width": WIDTH, "dropout": DROPOUT, "smoothing": SMOOTHING}),
    "clusters": Box(clusters, mlp, {"width": WIDTH, "noise": NOISE, "batch": BATCH}),
    "diabetes": Box(diabetes, mlp, {"activation": ACTIVATION, "dropout": DROPOUT, "width": WIDTH, "batch": BATCH}),
}
_OF_LOOP = ("batch", "noise", "smoothing")


def splits(box: Box, split: int) -> list[tuple[Tensor, Tensor]]:
    """Half of the rows train, a quarter validates, a quarter tests."""
    generator = torch.Generator().manual_seed(split)
    inputs, targets = box.load()
    order = torch.randperm(len(inputs), generator=generator)[: box.rows]
    first, second = len(order) // 2, 3 * len(order) // 4
    train, *others = [(inputs[part], targets[part]) for part in (order[:first], order[first:second], order[second:])]
    labels = train[1].clone()
    if box.wrong:
        drawn = torch.rand(len(labels), generator=generator) < box.wrong
        labels[drawn] = torch.randint(0, 10, (int(drawn.sum()),), generator=generator)
    return [(train[0], labels), *others]


def trained(box: Box, split: int, recipe: Any, seed: int, **values: Any) -> Iterator[tuple[int, float, float]]:
    """Validations of a training: step, validation loss, test loss."""
    (inputs, targets), *others = splits(box, split)
    is_classes = not targets.is_floating_point()
    outs = int(box.load()[1].max()) + 1 if is_classes else 1
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = box.model(
            inputs.shape[1], outs, **{name: value for name, value in values.items() if name not in _OF_LOOP}
        )
        size = min(int(values.get("batch", 64)), len(inputs))
        loss_fn: Any = nn.CrossEntropyLoss(label_smoothing=values.get("smoothing", 0.0)) if is_classes else nn.MSELoss()
        judge: Any = brier if is_classes else nn.MSELoss()
        run = recipe.bind(model, total_steps=box.steps, batch_size=size, keep_best=None)
        for step in range(1, box.steps + 1):
            rows = torch.randint(0, len(inputs), (size,))
            batch = inputs[rows]
            if values.get("noise"):
                batch = batch + values["noise"] * torch.randn_like(batch)
            run.optimizer.zero_grad()
            loss = loss_fn(model(batch), targets[rows])
            loss.backward()
            run.step(loss)
            if step % (box.steps // VALIDATIONS) == 0:
                model.eval()
                with run.evaluating(), torch.no_grad():
                    losses = [float(judge(model(part), wanted)) for part, wanted in others]
                model.train()
                run.observe(losses[0])
                yield step, losses[0], losses[1]


def brier(logits: Tensor, labels: Tensor) -> Tensor:
    """Squared error of the probabilities, in [0, 2]: no single row decides, as it may with a log loss."""
    wanted = nn.functional.one_hot(labels, logits.shape[1])
    return (logits.softmax(1) - wanted).square().sum(1).mean()


def best(rows: Sequence[tuple[int, float, float]]) -> tuple[float, float]:
    """Validation and test loss of the checkpoint that a loop keeps; large ones where none is finite."""
    finite = [row[1:] for row in rows if math.isfinite(row[1])]
    return min(finite, default=(2.0, 2.0))
