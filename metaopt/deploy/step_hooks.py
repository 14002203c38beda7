"""The one pre-hook and the one post-hook that a run has on its optimizer, whoever calls `optimizer.step`."""

import functools
from collections.abc import Callable
from typing import Any, Protocol

from torch.optim import Optimizer


class StepObserver(Protocol):
    """What the hooks call."""

    def begin_step(self, optimizer: Optimizer) -> None:
        """A step begins; the one before may have raised and never have ended."""

    def gradients_ready(self, optimizer: Optimizer) -> None:
        """The step's gradients are there; again for each further call of a closure."""

    def end_step(self, optimizer: Optimizer) -> None:
        """The step was taken."""


def observe_steps(optimizer: Optimizer, observer: StepObserver) -> None:
    """Have every step of the optimizer observed, from now on.

    Hosts that hand a closure to `step` (Lightning, skorch) compute gradients only inside it: the closure handed on runs
    theirs and then says that the gradients are ready. Copies and pickles of the optimizer have no hooks, as with
    torch's own.
    """

    def before(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        observer.begin_step(optimizer)
        if len(args) > 1 and callable(args[1]):  # the optimizer itself comes first
            return (args[0], _observed(args[1], optimizer, observer), *args[2:]), kwargs
        if callable(kwargs.get("closure")):
            return args, {**kwargs, "closure": _observed(kwargs["closure"], optimizer, observer)}
        observer.gradients_ready(optimizer)
        return None

    def after(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        observer.end_step(optimizer)

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)


def _observed(closure: Callable[[], Any], optimizer: Optimizer, observer: StepObserver) -> Callable[[], Any]:
    @functools.wraps(closure, updated=())
    def run() -> Any:
        loss = closure()
        observer.gradients_ready(optimizer)
        return loss

    return run
