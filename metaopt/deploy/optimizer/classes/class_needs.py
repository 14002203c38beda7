"""What some classes without a rule need of a training loop beyond gradients: a graph through them, or a closure."""

import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.optimizer.classes.class_trial import Tried
from metaopt.deploy.step_hooks import look_at_gradients
from metaopt.errors import InputError, PluginError
from metaopt.plugin import Native

_GRAPH = "call loss.backward(create_graph=True), and optimizer.zero_grad() after each step"
_CLOSURE = "call run.optimizer.step(closure) and then run.scheduler.step() in place of run.step(loss)"


def warn_of_needs(native: Native, stacklevel: int) -> None:
    """Say what the user's loop has to do that an ordinary one does not."""
    if native.needs_graph or native.takes_closure:
        warnings.warn(_sentence(native), UserWarning, stacklevel=stacklevel + 1)


def check_followed(optimizer: Optimizer, native: Native) -> None:
    """Check that the class is one whose steps can be followed; PluginError otherwise."""
    if not hasattr(optimizer, "_optimizer_load_state_dict_pre_hooks"):
        raise PluginError(
            f"{native.path} does not call torch.optim.Optimizer.__init__, so that its steps cannot be followed; choose "
            "another optimizer."
        )


def check_needs(optimizer: Optimizer, native: Native, shown: Tried) -> None:
    """Have each step of the class checked for what it needs, from now on.

    The step raises InputError where it is missing, and says what to do.

    Args:
        optimizer: of the class.
        native: the class.
        shown: what a trial has shown of it.
    """
    if native.takes_closure:
        optimizer.register_step_pre_hook(lambda _, args, kwargs: _check_closure(native, args, kwargs))
    if native.needs_graph:
        look_at_gradients(optimizer, partial(_check_graph, native))
    if shown.needs_gradients:
        optimizer.register_step_pre_hook(lambda own, args, kwargs: _check_gradients(native, own))
    if shown.is_sparse:
        look_at_gradients(optimizer, partial(_check_sparse, native))


def _check_gradients(native: Native, optimizer: Optimizer) -> None:
    if not _gradients(optimizer):
        raise InputError(
            f"{native.path} looks at gradients before it calls the closure, and there are none: call loss.backward() "
            "first, then run.optimizer.step(closure)."
        )


def _check_sparse(native: Native, optimizer: Optimizer) -> None:
    if any(grad.layout is torch.strided for grad in _gradients(optimizer)):
        raise InputError(
            f"{native.path} takes sparse gradients alone, such as those of nn.Embedding(sparse=True), and a parameter "
            "has a dense one: give it such parameters alone, or choose another optimizer."
        )


def _gradients(optimizer: Optimizer) -> list[Tensor]:
    return [param.grad for group in optimizer.param_groups for param in group["params"] if param.grad is not None]


def _check_graph(native: Native, optimizer: Optimizer) -> None:
    grads = _gradients(optimizer)
    if grads and all(grad.grad_fn is None for grad in grads):
        raise InputError(_sentence(native))


def _check_closure(native: Native, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if not any(callable(value) for value in (*args[1:], kwargs.get("closure"))):
        raise InputError(_sentence(native))


def _sentence(native: Native) -> str:
    if native.needs_graph:
        return f"{native.path} differentiates the gradients once more: {_GRAPH}."
    return f"{native.path} computes loss and gradients anew inside its step: {_CLOSURE}."
