"""Small real tasks, members by name, and the loop that a user of plain PyTorch would write."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.inner import Member
from metaopt.inner.gradients.batches import batch_indices
from metaopt.plugin.registry import current_registry


@pytest.fixture
def task() -> Callable[..., metaopt.Task]:
    """`task(model, **fields)`: scikit-learn's digits, in float64 so that comparisons are sharp."""
    return make_task


@pytest.fixture
def member() -> Callable[..., Member]:
    """`member("adamw", "cosine", "averaged", seed=0, **hparams)`; hparams as `adamw__lr=1e-3`."""
    return make_member


@pytest.fixture
def plain_loop() -> Callable[..., tuple[list[float], list[float]]]:
    """`plain_loop(task, seed, optimizer, scheduler)`: validation and test values of an ordinary PyTorch loop."""
    return train_plainly


def mlp(dtype: torch.dtype = torch.float64) -> nn.Module:
    return nn.Sequential(nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10)).to(dtype)


def make_task(model: Callable[[], nn.Module] = mlp, **fields: Any) -> metaopt.Task:
    dtype = fields.pop("dtype", torch.float64)
    digits = metaopt.load_corpus("starter")["digits_mlp"].splits
    parts = (digits.train, digits.validation, digits.test)
    splits = metaopt.Splits(*(metaopt.Split(part.inputs.to(dtype), part.targets) for part in parts))
    standard: dict[str, Any] = {
        "name": "digits",
        "family": "digits",
        "model": partial(model, dtype) if model is mlp else model,
        "data": splits,
        "loss": F.cross_entropy,
        "batch_size": 16,
        "num_steps": 40,
        "num_validations": 4,
    }
    return metaopt.Task(**{**standard, **fields})


def make_member(optimizer: str, controller: str = "constant", *wrappers: str, seed: int = 0, **hparams: Any) -> Member:
    values = {name.replace("__", ".", 1): value for name, value in hparams.items()}
    no_decay = values.pop("no_decay", "1d")
    return Member(assemble(Configuration(optimizer, controller, wrappers, values, no_decay), current_registry()), seed)


def train_plainly(
    task: metaopt.Task,
    seed: int,
    make_optimizer: Callable[[nn.Module], torch.optim.Optimizer],
    make_scheduler: Callable[[torch.optim.Optimizer], Any] | None = None,
    averaged: Callable[[nn.Module], Any] | None = None,
) -> tuple[list[float], list[float]]:
    model = task.build(seed)
    optimizer = make_optimizer(model)
    scheduler = None if make_scheduler is None else make_scheduler(optimizer)
    average = None if averaged is None else averaged(model)
    listens = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
    train, validation, test = task.splits.train, task.splits.validation, task.splits.test
    values: tuple[list[float], list[float]] = ([], [])
    batches = batch_indices(len(train), task.batch_size, task.num_steps, seed)
    for step, rows in enumerate(batches, start=1):
        optimizer.zero_grad()
        task.loss(model(train.inputs[rows]), train.targets[rows]).backward()
        optimizer.step()
        if average is not None:
            average.update_parameters(model)
        if scheduler is not None and not listens:
            scheduler.step()
        if step in task.validation_steps:
            evaluated = (average or model).eval()
            with torch.no_grad():
                for series, split in zip(values, (validation, test), strict=True):
                    series.append(float(task.measure(evaluated(split.inputs), split.targets)))
            model.train()
            if listens:
                scheduler.step(values[0][-1])
    return values


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups as most people write them: no weight decay for biases and norms."""
    matrices = [param for param in model.parameters() if param.ndim > 1]
    vectors = [param for param in model.parameters() if param.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


@pytest.fixture
def groups() -> Callable[..., list[dict[str, Any]]]:
    """`groups(model, weight_decay)`: parameter groups that spare biases."""
    return decay_groups


@pytest.fixture
def shorter() -> Callable[..., metaopt.Task]:
    """`shorter(task, num_steps, num_validations)`: the same task with another budget."""
    return lambda task, num_steps, num_validations: dataclasses.replace(
        task, num_steps=num_steps, num_validations=num_validations
    )


def accuracy(output: Tensor, targets: Tensor) -> Tensor:
    return (output.argmax(1) == targets).to(output.dtype).mean()
