"""Averaged weights for as long as one evaluates."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from metaopt.deploy.optimizer.rule_optimizer import RuleOptimizer


@runtime_checkable
class Modal(Protocol):
    """Optimizers that hold other weights while training, as Schedule-Free does; groups say which under `train_mode`."""

    def train(self) -> None:
        """Put the training weights into the parameters."""

    def eval(self) -> None:
        """Put the averaged weights into the parameters."""


@contextmanager
def evaluating(optimizer: Optimizer, model: nn.Module | None = None) -> Iterator[None]:
    """Within it, parameters hold what the optimizer would have evaluated: its averages, where it keeps any.

    Afterwards every parameter is what it was, bit for bit. Nesting is fine.

    Args:
        optimizer: any torch optimizer; one that does not average is left alone.
        model: put in eval mode within, and its modules' modes restored after, if given.

    Example:
        >>> import torch, metaopt
        >>> from metaopt.deploy import evaluating
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = metaopt.create_optimizer("adamw", model)
        >>> with evaluating(optimizer, model):
        ...     assert not model.training
    """
    with _averaged(optimizer), eval_mode(model):
        yield


def averages(optimizer: Optimizer) -> bool:
    """Whether `evaluating` would put other weights into the parameters than those that are in them."""
    if isinstance(optimizer, RuleOptimizer):
        return not optimizer.evaluating and bool(optimizer.evaluation_params())
    return isinstance(optimizer, Modal) and all(group.get("train_mode", True) for group in optimizer.param_groups)


def keep_averages(optimizer: Optimizer) -> None:
    """Write into the parameters, for good, what the optimizer would have evaluated, where it averages."""
    if averages(optimizer):
        params = [param for group in optimizer.param_groups for param in group["params"]]
        with _averaged(optimizer):
            values = [param.detach().clone() for param in params]
        _write(params, values)


def warn_of_averages(optimizer: Optimizer, value: float) -> bool:
    """Warn of a finite metric that was measured with other weights than the averages; whether there was reason to."""
    wrong = math.isfinite(value) and averages(optimizer)
    if wrong:
        warnings.warn(
            "run.observe(value) got a value that was measured with the training weights, where the optimizer averages "
            "them and the averages are what is kept as best: measure inside `with run.evaluating():`.",
            UserWarning,
            stacklevel=3,
        )
    return wrong


@contextmanager
def _averaged(optimizer: Optimizer) -> Iterator[None]:
    if isinstance(optimizer, RuleOptimizer):
        with _swapped(optimizer):
            yield
    elif isinstance(optimizer, Modal) and averages(optimizer):
        with _modal(optimizer):
            yield
    else:
        yield


@contextmanager
def _swapped(optimizer: RuleOptimizer) -> Iterator[None]:
    if optimizer.evaluating:
        yield
        return
    averages = optimizer.evaluation_params()
    params = list(averages)
    kept = [param.detach().clone() for param in params]
    optimizer.evaluating = True
    try:
        _write(params, list(averages.values()))
        yield
    finally:
        _write(params, kept)
        optimizer.evaluating = False


@contextmanager
def _modal(optimizer: Modal) -> Iterator[None]:
    """The library's own way back is an interpolation, which rounds; so the weights are kept and written back."""
    assert isinstance(optimizer, Optimizer)
    params = [param for group in optimizer.param_groups for param in group["params"]]
    kept = [param.detach().clone() for param in params]
    optimizer.eval()
    try:
        yield
    finally:
        optimizer.train()
        _write(params, kept)


@contextmanager
def eval_mode(model: nn.Module | None) -> Iterator[None]:
    """Eval mode within, and every module's own mode after; nothing where there is no module."""
    modes = [] if model is None else [(module, module.training) for module in model.modules()]
    if model is not None:
        model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@torch.no_grad()
def _write(params: list[Tensor], values: list[Tensor]) -> None:
    """Copy values into parameters."""
    for param, value in zip(params, values, strict=True):
        param.copy_(value)
