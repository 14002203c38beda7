"""What some classes without a rule need of a training loop beyond gradients: a graph through them, or a closure."""

import warnings
from typing import Any

from torch.optim import Optimizer

from metaopt.deploy.step_hooks import look_at_gradients
from metaopt.errors import InputError, PluginError
from metaopt.plugin import Native

_GRAPH = "call loss.backward(create_graph=True), and optimizer.zero_grad() after each step"
_CLOSURE = "call run.optimizer.step(closure) and then run.scheduler.step() in place of run.step(loss)"


def warn_of_needs(native: Native, stacklevel: int) -> None:
    """Say what the user's loop has to do that an ordinary one does not."""
    if native.needs_graph or native.takes_closure:
        warnings.warn(_sentence(native), UserWarning, stacklevel=stacklevel + 1)


def check_needs(optimizer: Optimizer, native: Native) -> None:
    """Have each step of the class checked for what it needs, from now on.

    The step raises InputError where it is missing, and says what to do.

    Raises:
        PluginError: the class is none whose steps can be followed.
    """
    if not hasattr(optimizer, "_optimizer_load_state_dict_pre_hooks"):
        raise PluginError(
            f"{native.path} does not call torch.optim.Optimizer.__init__, so that its steps cannot be followed; choose "
            "another optimizer."
        )
    if native.takes_closure:
        optimizer.register_step_pre_hook(lambda _, args, kwargs: _check_closure(native, args, kwargs))
    if native.needs_graph:
        look_at_gradients(optimizer, lambda _: _check_graph(optimizer, native))


def _check_graph(optimizer: Optimizer, native: Native) -> None:
    grads = [param.grad for group in optimizer.param_groups for param in group["params"] if param.grad is not None]
    if grads and all(grad.grad_fn is None for grad in grads):
        raise InputError(_sentence(native))


def _check_closure(native: Native, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    if not any(callable(value) for value in (*args[1:], kwargs.get("closure"))):
        raise InputError(_sentence(native))


def _sentence(native: Native) -> str:
    if native.needs_graph:
        return f"{native.path} differentiates the gradients once more: {_GRAPH}."
    return f"{native.path} computes loss and gradients anew inside its step: {_CLOSURE}."
