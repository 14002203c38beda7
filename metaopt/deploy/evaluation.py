"""Weights to evaluate with: averages for as long as an evaluation lasts."""

import math
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from metaopt.deploy.optimizer.rule_optimizer import RuleOptimizer
from metaopt.shards import drop_gathered


@runtime_checkable
class SwitchesWeights(Protocol):
    """Optimizers that train with other weights than they evaluate with, as Schedule-Free does.

    A group's `train_mode` says which of the two are in the parameters.
    """

    def train(self) -> None:
        """Put the training weights into the parameters."""

    def eval(self) -> None:
        """Put the averaged weights into the parameters."""


@contextmanager
def evaluating(optimizer: Optimizer, model: nn.Module | None = None) -> Iterator[None]:
    """Inside this context, parameters hold the weights to evaluate: the optimizer's averages, where it keeps any.

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
    with _averaged(optimizer, model), eval_mode(model):
        yield


def averages(optimizer: Optimizer) -> bool:
    """Whether `evaluating` would put other weights into the parameters than those that are in them."""
    if isinstance(optimizer, RuleOptimizer):
        return not optimizer.evaluating and bool(optimizer.evaluation_params())
    # Before the first step there are no averages yet, and some classes fail where they look for them.
    return (
        isinstance(optimizer, SwitchesWeights)
        and bool(optimizer.state)
        and all(group.get("train_mode", True) for group in optimizer.param_groups)
    )


def copied_averages(optimizer: Optimizer) -> dict[Tensor, Tensor]:
    """While `evaluating`: copies of the averages, by the parameters that hold them."""
    params: Iterable[Tensor] = ()
    if isinstance(optimizer, RuleOptimizer):
        params = optimizer.training_weights
    elif isinstance(optimizer, SwitchesWeights):
        params = [param for group in optimizer.param_groups for param in group["params"] if optimizer.state.get(param)]
    return {param: param.detach().clone() for param in params}


def keep_averages(optimizer: Optimizer, model: nn.Module | None = None) -> None:
    """Write into the parameters, for good, what the optimizer would have evaluated, where it averages."""
    if averages(optimizer):
        params = [param for group in optimizer.param_groups for param in group["params"]]
        with _averaged(optimizer, model):
            values = [param.detach().clone() for param in params]
        _write(params, values, model)


def stay_in_eval(optimizer: Optimizer) -> None:
    """Have an optimizer that switches weights believe that it has: a user's own `optimizer.eval()` changes nothing."""
    if isinstance(optimizer, RuleOptimizer):
        optimizer.evaluating, optimizer.training_weights = True, {}
    for group in optimizer.param_groups:
        if "train_mode" in group:
            group["train_mode"] = False


def forget_training_weights(optimizer: Optimizer) -> None:
    """Where a host has called `optimizer.eval()`: leave what is in the parameters now, whatever mode follows."""
    if isinstance(optimizer, RuleOptimizer) and optimizer.evaluating:
        stay_in_eval(optimizer)


def warn_of_averages(optimizer: Optimizer, value: float) -> bool:
    """Warn if a finite metric was measured with other weights than the averages, and return whether it was."""
    wrong = math.isfinite(value) and averages(optimizer)
    if wrong:
        warnings.warn(
            "run.observe(value) got a value that was measured with the training weights, where the optimizer averages "
            "them and the averages are what is kept as best: measure inside `with run.evaluating():`.",
            UserWarning,
            stacklevel=5,
        )
    return wrong


@contextmanager
def _averaged(optimizer: Optimizer, model: nn.Module | None) -> Iterator[None]:
    if isinstance(optimizer, RuleOptimizer):
        with _swapped(optimizer, model):
            yield
    elif isinstance(optimizer, SwitchesWeights) and averages(optimizer):
        with _eval_weights(optimizer, model):
            yield
    else:
        yield


@contextmanager
def _swapped(optimizer: RuleOptimizer, model: nn.Module | None) -> Iterator[None]:
    if optimizer.evaluating:
        yield
        return
    optimizer.eval()
    drop_gathered(model)
    try:
        yield
    finally:
        optimizer.train()
        drop_gathered(model)


@contextmanager
def _eval_weights(optimizer: SwitchesWeights, model: nn.Module | None) -> Iterator[None]:
    """Put the class's averages in and take them out again, bit for bit: its own way back interpolates, which rounds."""
    assert isinstance(optimizer, Optimizer)
    params = [param for group in optimizer.param_groups for param in group["params"]]
    training_weights = [param.detach().clone() for param in params]
    with only_stepped(optimizer):
        optimizer.eval()
    drop_gathered(model)
    try:
        yield
    finally:
        with only_stepped(optimizer):
            optimizer.train()
        _write(params, training_weights, model)


@contextmanager
def only_stepped(optimizer: Optimizer) -> Iterator[None]:
    """Inside, groups hold only the parameters that were stepped: some classes look for the average of every one."""
    whole = [(group, group["params"]) for group in optimizer.param_groups]
    for group, params in whole:
        group["params"] = [param for param in params if optimizer.state.get(param)]
    try:
        yield
    finally:
        for group, params in whole:
            group["params"] = params


@contextmanager
def eval_mode(model: nn.Module | None) -> Iterator[None]:
    """Put a model into eval mode inside this context; afterwards every module is in the mode that it was in."""
    modes = [] if model is None else [(module, module.training) for module in model.modules()]
    if model is not None:
        model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@torch.no_grad()
def _write(params: list[Tensor], values: list[Tensor], model: nn.Module | None) -> None:
    """Copy values into parameters, which may be a model's."""
    for param, value in zip(params, values, strict=True):
        param.copy_(value)
    drop_gathered(model)
