"""Weights to evaluate with: averages for as long as an evaluation lasts, and a copy of the best so far."""

import copy
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from metaopt.deploy.optimizer.parameters import counterparts
from metaopt.deploy.optimizer.rule_optimizer import RuleOptimizer
from metaopt.errors import InputError, quoted

#: A buffer that `torch.optim.swa_utils.AveragedModel` has beside the model that it wraps.
_WRAPPERS_OWN = "n_averaged"


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
    with _averaged(optimizer), eval_mode(model):
        yield


def averages(optimizer: Optimizer) -> bool:
    """Whether `evaluating` would put other weights into the parameters than those that are in them."""
    if isinstance(optimizer, RuleOptimizer):
        return not optimizer.evaluating and bool(optimizer.evaluation_params())
    return isinstance(optimizer, SwitchesWeights) and all(
        group.get("train_mode", True) for group in optimizer.param_groups
    )


def keep_averages(optimizer: Optimizer) -> None:
    """Write into the parameters, for good, what the optimizer would have evaluated, where it averages."""
    if averages(optimizer):
        params = [param for group in optimizer.param_groups for param in group["params"]]
        with _averaged(optimizer):
            values = [param.detach().clone() for param in params]
        _write(params, values)


def stay_in_eval(optimizer: Optimizer) -> None:
    """Have an optimizer that switches weights believe that it has: a user's own `optimizer.eval()` changes nothing."""
    for group in optimizer.param_groups:
        if "train_mode" in group:
            group["train_mode"] = False


def warn_of_averages(optimizer: Optimizer, value: float) -> bool:
    """Warn if a finite metric was measured with other weights than the averages, and return whether it was."""
    wrong = math.isfinite(value) and averages(optimizer)
    if wrong:
        warnings.warn(
            "run.observe(value) got a value that was measured with the training weights, where the optimizer averages "
            "them and the averages are what is kept as best: measure inside `with run.evaluating():`.",
            UserWarning,
            stacklevel=4,
        )
    return wrong


class BestWeights:
    """Keeps and restores a model's trained weights and its buffers, or bare parameters.

    Parameters that are frozen from the start are not copied: they stay what they are.

    Args:
        model: a module (its `state_dict` is kept: parameters, buffers such as BatchNorm's statistics), or parameters.
        device: where the copy lives.
    """

    def __init__(self, model: nn.Module | Sequence[Tensor], device: torch.device) -> None:
        self._model = model
        self._device = device
        self._frozen = {name for name, param in self._named() if not param.requires_grad}
        self.weights: dict[str, Any] | None = None

    def keep(self) -> None:
        """Copy the present weights."""
        self.weights = {name: self._copy(value) for name, value in self._present().items() if name not in self._frozen}

    def include(self, params: Iterable[Tensor]) -> None:
        """Copy parameters that were frozen until now, before their first step, as part of the best weights too."""
        unfrozen = set(params)
        for name, param in self._named():
            if param in unfrozen and name in self._frozen:
                self._frozen.remove(name)
                if self.weights is not None:
                    self.weights.setdefault(name, self._copy(param))

    @torch.no_grad()
    def restore(self, num_observations: int) -> None:
        """Write the copy into the model, in place.

        Args:
            num_observations: values seen so far, for the message.

        Raises:
            InputError: there is none.
        """
        if self.weights is None:
            seen = f"none of {num_observations} observed values was finite"
            never = "run.observe(value) was never called"
            raise InputError(f"There are no best weights to restore: {seen if num_observations else never}.")
        if isinstance(self._model, nn.Module):
            self._model.load_state_dict(self.weights, strict=False)  # frozen parameters are not in it
            return
        present = self._present()
        for name, value in self.weights.items():
            present[name].copy_(value)

    def fitted(self, weights: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """A checkpoint's best weights under the names of this model.

        Raises:
            InputError: it is another model's.
        """
        if weights is None:
            return None
        present = self._present()
        names = counterparts(weights, present)
        unknown = sorted(set(weights) - set(names) - {_WRAPPERS_OWN})
        missing = sorted(set(present) - set(names.values()) - self._frozen - {_WRAPPERS_OWN})
        if unknown or missing:
            what = f"hold {quoted(unknown[0])}, which this model lacks" if unknown else f"lack {quoted(missing[0])}"
            raise InputError(f"The best weights of this state are another model's: they {what}; bind the same model.")
        by_own_name = {own: weights[name] for name, own in names.items()}
        for name, value in by_own_name.items():
            if isinstance(value, Tensor) and value.shape != present[name].shape:
                raise InputError(
                    f"The best weights of this state are another model's: {quoted(name)} has the shape "
                    f"{tuple(value.shape)}, this model's has {tuple(present[name].shape)}; bind the same model."
                )
        return by_own_name

    def load(self, weights: Mapping[str, Any] | None) -> None:
        """Go on from a checkpoint's best weights; raises what `fitted` raises."""
        fitted = self.fitted(weights)
        self.weights = None if fitted is None else {name: self._copy(value) for name, value in fitted.items()}

    def _present(self) -> dict[str, Any]:
        if isinstance(self._model, nn.Module):
            return dict(self._model.state_dict())
        return dict(self._named())

    def _named(self) -> list[tuple[str, Tensor]]:
        if isinstance(self._model, nn.Module):
            return list(self._model.named_parameters(remove_duplicate=False))
        return [(str(index), tensor) for index, tensor in enumerate(self._model)]

    def _copy(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.detach().to(self._device, copy=True)
        return copy.deepcopy(value)


@contextmanager
def _averaged(optimizer: Optimizer) -> Iterator[None]:
    if isinstance(optimizer, RuleOptimizer):
        with _swapped(optimizer):
            yield
    elif isinstance(optimizer, SwitchesWeights) and averages(optimizer):
        with _eval_weights(optimizer):
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
    training_weights = [param.detach().clone() for param in params]
    optimizer.evaluating = True
    try:
        _write(params, list(averages.values()))
        yield
    finally:
        _write(params, training_weights)
        optimizer.evaluating = False


@contextmanager
def _eval_weights(optimizer: SwitchesWeights) -> Iterator[None]:
    """Put the class's averages in and take them out again, bit for bit: its own way back interpolates, which rounds."""
    assert isinstance(optimizer, Optimizer)
    params = [param for group in optimizer.param_groups for param in group["params"]]
    training_weights = [param.detach().clone() for param in params]
    optimizer.eval()
    try:
        yield
    finally:
        optimizer.train()
        _write(params, training_weights)


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
def _write(params: list[Tensor], values: list[Tensor]) -> None:
    """Copy values into parameters."""
    for param, value in zip(params, values, strict=True):
        param.copy_(value)
