"""Hooks around an optimizer's steps, whoever takes them: a guard of each step, and parameters that are unfrozen."""

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from torch import Tensor
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
        if may_have_closure(args, kwargs):
            return _looked_at(optimizer, args, kwargs, observer.gradients_ready)
        observer.gradients_ready(optimizer)
        return None

    def after(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        observer.end_step(optimizer)

    optimizer.register_step_pre_hook(before)
    optimizer.register_step_post_hook(after)


def bare_step(optimizer: Optimizer) -> Callable[[Optimizer], Any]:
    """A class's step without torch's hooks and profile around it, of which one round is enough within another's."""
    step: Any = type(optimizer).step
    bare: Callable[[Optimizer], Any] = step.__wrapped__ if getattr(step, "hooked", False) else step
    return bare


def look_at_gradients(optimizer: Optimizer, look: Callable[[Optimizer], None]) -> None:
    """Have `look` called once a step's gradients are there; again for each further call of a closure."""

    def before(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if may_have_closure(args, kwargs):
            return _looked_at(optimizer, args, kwargs, look)
        look(optimizer)
        return None

    optimizer.register_step_pre_hook(before)


def watch_frozen(optimizer: Optimizer, frozen: Iterable[Tensor], report: Callable[[list[Tensor]], None]) -> None:
    """Have `report` called before the step in which frozen parameters have their first gradients, with these.

    Args:
        optimizer: whose steps are watched.
        frozen: parameters that do not require gradients.
        report: called once for each parameter.
    """
    waiting = list(frozen)

    def look(_: Optimizer) -> None:
        unfrozen = [param for param in waiting if param.grad is not None and param.requires_grad]
        if unfrozen:
            reported = set(unfrozen)
            waiting[:] = [param for param in waiting if param not in reported]
            report(unfrozen)

    look_at_gradients(optimizer, look)


def warn_of_unfrozen(optimizer: Optimizer, names: Mapping[Tensor, str]) -> Callable[[list[Tensor]], None]:
    """A `report` for `watch_frozen` that warns of parameters that no group of the optimizer holds."""

    def report(params: list[Tensor]) -> None:
        held = {param for group in optimizer.param_groups for param in group["params"]}
        forgotten = [names[param] for param in params if param not in held]
        if forgotten:
            more = f" (and {len(forgotten) - 1} more)" if forgotten[1:] else ""
            warnings.warn(
                f"The parameter {forgotten[0]!r:.80}{more} was frozen when the optimizer was made, and has a gradient; "
                "no group holds it, so it is not trained: call optimizer.add_param_group({'params': [...]}).",
                UserWarning,
                stacklevel=5,
            )

    return report


def may_have_closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a step's arguments, as its hook gets them, leave room for one: most steps spare what closures need."""
    return len(args) > 1 or "closure" in kwargs


def after_closure(
    args: tuple[Any, ...], kwargs: dict[str, Any], then: Callable[[Any], None]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """A step's arguments with a closure that runs the step's own and calls `then` with what that returned.

    Args:
        args: as a step's hook gets them: the optimizer itself comes first. A host may pass None as the closure.
        kwargs: by name.
        then: called each time that the closure has run.

    Returns:
        The new arguments, or None where the step has no closure.
    """
    if len(args) > 1 and callable(args[1]):
        return (args[0], _followed(args[1], then), *args[2:]), kwargs
    if callable(kwargs.get("closure")):
        return args, {**kwargs, "closure": _followed(kwargs["closure"], then)}
    return None


def _looked_at(
    optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any], look: Callable[[Optimizer], None]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Look at the gradients now, or have the step's closure, which makes them, do so: then its new arguments."""
    handed_on = after_closure(args, kwargs, lambda _: look(optimizer))
    if handed_on is None:
        look(optimizer)
    return handed_on


def _followed(closure: Callable[[], Any], then: Callable[[Any], None]) -> Callable[[], Any]:
    @functools.wraps(closure, updated=())
    def run() -> Any:
        returned = closure()
        then(returned)
        return returned

    return run
