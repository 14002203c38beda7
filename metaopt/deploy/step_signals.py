"""Signals of the coming step for controllers: the norm of its gradients, and how they agree with the last update."""

import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.gradient_guard import GradientGuard, norm_of_gradients
from metaopt.deploy.optimizer.precision import widened
from metaopt.deploy.scheduler.scheduler import ControllerScheduler
from metaopt.errors import InputError
from metaopt.shards import laid_as
from metaopt.signals import agreement, overflows


class StepSignals:
    """Measures what a run's scheduler requires of each step, and nothing else.

    It keeps neither optimizer nor scheduler alive: hooks of the optimizer hold it, and a cycle would hold their memory.

    Args:
        optimizer: whose gradients and parameters.
        scheduler: gets the signals.
        guard: reads the gradients anyway, or None.
    """

    def __init__(self, optimizer: Optimizer, scheduler: ControllerScheduler, guard: GradientGuard | None) -> None:
        self._guard = guard
        self._last_update = LastUpdate() if "agreement" in scheduler.required else None
        self.arm(optimizer, scheduler)

    def arm(self, optimizer: Optimizer, scheduler: ControllerScheduler) -> None:
        """Measure the steps of this optimizer; again where a run was copied or unpickled."""
        self._optimizer, self._scheduler = weakref.ref(optimizer), weakref.ref(scheduler)

    def __getstate__(self) -> dict[str, Any]:
        """Without what `arm` sets."""
        return {name: value for name, value in vars(self).items() if name not in ("_optimizer", "_scheduler")}

    def begin(self, loss: Tensor | None) -> None:
        """Before the optimizer's step: tell the scheduler, unless the step is about to be skipped."""
        scheduler = self._scheduler()
        if scheduler is not None and scheduler.needs_gradients:
            self._prepare(scheduler, loss)
        if self._last_update is not None:
            self._last_update.begin(self._parameters())

    def end(self) -> None:
        """After the optimizer's step."""
        if self._last_update is not None:
            self._last_update.end(self._parameters())

    def state_dict(self) -> list[Tensor] | None:
        """The last update, or None where the controller does not need it."""
        return None if self._last_update is None else self._last_update.state_dict()

    def load_state_dict(self, state: Sequence[Any] | None) -> None:
        """Continue from `state_dict()`; raises what `LastUpdate.load_state_dict` raises."""
        if self._last_update is not None and state is not None:
            self._last_update.load_state_dict(state, self._parameters())

    def _prepare(self, scheduler: ControllerScheduler, loss: Tensor | None) -> None:
        norm = self._gradient_norm(scheduler)
        if self._guard is not None and norm is not None and overflows(float(norm)):
            return scheduler.pass_over()
        if loss is None and "loss" in scheduler.required:
            raise InputError(
                f"The controller {scheduler.spec.name!r} requires loss at every step: call run.step(loss), or "
                "run.record_loss(loss) before a host calls optimizer.step()."
            )
        agreement = None if self._last_update is None else self._last_update.agreement(self._parameters())
        return scheduler.prepare(loss=loss, gradient_norm=norm, agreement=agreement)

    def _gradient_norm(self, scheduler: ControllerScheduler) -> Tensor | None:
        optimizer = self._optimizer()
        if optimizer is None:
            return None
        if self._guard is not None:
            return self._guard.gradient_norm(optimizer)
        if "gradient_norm" not in scheduler.required:
            return None
        return norm_of_gradients(optimizer)

    def _parameters(self) -> Iterator[Tensor]:
        optimizer = self._optimizer()
        for group in [] if optimizer is None else optimizer.param_groups:
            yield from group["params"]


class LastUpdate:
    """Measures updates where parameters were before and after a step, whatever took it; keeps one copy of them."""

    def __init__(self) -> None:
        self._before: list[Tensor] = []
        self._update: list[Tensor] = []

    def agreement(self, params: Iterable[Tensor]) -> Tensor:
        """Cosine of the angle between the gradients at hand and the last update, 0-d; 0 where either is 0."""
        gradients = [
            torch.zeros_like(update) if param.grad is None else _dense(param.grad).to(update.device)
            for param, update in zip(params, self._update, strict=False)
        ]
        return agreement(gradients, self._update) if gradients else torch.zeros(())

    def begin(self, params: Iterable[Tensor]) -> None:
        """Note the parameters before a step."""
        self._before = [widened(param).clone() for param in params]

    def end(self, params: Iterable[Tensor]) -> None:
        """Measure the update after the step."""
        self._update = [widened(param) - before for param, before in zip(params, self._before, strict=True)]
        self._before = []

    def state_dict(self) -> list[Tensor]:
        """A copy of the last update."""
        return [update.clone() for update in self._update]

    def load_state_dict(self, state: Sequence[Any], params: Iterable[Tensor]) -> None:
        """Inverse of `state_dict`, for parameters in the same order; in their precision and on their devices.

        Raises:
            InputError: it is of other parameters.
        """
        widened_params = [widened(param) for param in params]
        if state and [update.shape for update in state] != [update.shape for update in widened_params]:
            raise InputError("The last update of this state is of other parameters; bind the same model.")
        self._update = [
            laid_as(update, like).to(like.device, like.dtype, copy=True)
            for update, like in zip(state, widened_params, strict=False)
        ]


def _dense(grad: Tensor) -> Tensor:
    return widened(grad if grad.layout is torch.strided else grad.to_dense())
