"""A training step, whoever takes it: what it needs is supplied before it, and it is counted after it."""

import weakref
from numbers import Real
from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.accelerated import Accumulation
from metaopt.deploy.gradient_guard import GradientGuard
from metaopt.deploy.optimizer.assembly_optimizer import AssemblyOptimizer
from metaopt.deploy.ranks.rank_group import RankGroup
from metaopt.deploy.ranks.weighted_means import checked_examples, mean_loss
from metaopt.deploy.run_events import RunEvents
from metaopt.deploy.scheduler.scheduler import ControllerScheduler
from metaopt.deploy.step_hooks import after_closure, may_have_closure, observe_steps
from metaopt.deploy.step_signals import StepSignals
from metaopt.deploy.stopping.judgement import Judgement
from metaopt.deploy.withheld_step import FOUND_INF
from metaopt.errors import InputError, quoted
from metaopt.shards import any_true, local


@final
class TrainingSteps:
    """Hooks around the steps of a run's optimizer: losses and gradient signals before each, counters after it.

    The loss of a step is the last that was recorded since the step before, else what the closure returns, or the
    optimizer's own `loss=`. A step that a `GradScaler` skips moves nothing here, and the scheduler waits for the next.
    The guard, which hides gradients that overflow, comes after it. Copies and pickles of the optimizer have no
    hooks, and the hooks keep neither scheduler nor judgement alive.

    Args:
        optimizer: the run's.
        scheduler: the run's; it follows the optimizer's steps from now on.
        judgement: hears of losses; its ranks average the loss of each step, where anything needs it.
        guard: hears of losses too, and reads the gradients' norm; or None.
        events: reports each step to a logger; or None.
        takes_loss: whether the optimizer's `step` requires `loss=`.

    Attributes:
        signals: measures what the scheduler requires of each step, or None where that is nothing.
        ranks: those that meet at each step, or None.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        scheduler: ControllerScheduler,
        judgement: Judgement,
        guard: GradientGuard | None,
        events: RunEvents | None,
        *,
        takes_loss: bool,
    ) -> None:
        self._events = events
        self._guard, self._takes_loss = guard, takes_loss
        listens = guard is not None and guard.handover is not None
        needed = takes_loss or "loss" in scheduler.required or listens
        ranks = judgement.ranks
        self.ranks: RankGroup | None = ranks if ranks is not None and (needed or judgement.needs_losses) else None
        measures = scheduler.needs_gradients or "agreement" in scheduler.required
        self.signals = StepSignals(optimizer, scheduler, guard) if measures else None
        self._loss: Tensor | None = None
        self._has_begun = False
        self._num_steps = 0
        self._skipped_on_device: Tensor | None = None
        self._by_scaler: Tensor | None = None
        self.arm(optimizer, scheduler, judgement)

    def arm(self, optimizer: Optimizer, scheduler: ControllerScheduler, judgement: Judgement) -> None:
        """Hook into an optimizer's steps, and the guard after it; again where a run was copied or unpickled."""
        self._scheduler, self._judgement = weakref.ref(scheduler), weakref.ref(judgement)
        scheduler.follow_steps()
        if self.signals is not None:
            self.signals.arm(optimizer, scheduler)
        optimizer.register_step_pre_hook(self._before)
        optimizer.register_step_post_hook(self._after)
        if self._guard is not None:
            observe_steps(optimizer, self._guard)

    def __getstate__(self) -> dict[str, Any]:
        """Without what `arm` sets."""
        return {name: value for name, value in vars(self).items() if name not in ("_scheduler", "_judgement")}

    @property
    def count(self) -> int:
        """Steps taken, those that the guard skipped among them; asking waits for a GPU that skips for a scaler."""
        return self._num_steps - (0 if self._skipped_on_device is None else int(self._skipped_on_device))

    @count.setter
    def count(self, num_steps: int) -> None:
        self._num_steps, self._skipped_on_device = num_steps, None

    def record_loss(
        self, loss: Tensor | float, num_examples: float | None = None, accumulation: Accumulation | None = None
    ) -> Tensor:
        """Note the loss of the coming step; returns and raises what `Run.record_loss` does.

        Args:
            loss: of the step, or of one of its micro-batches.
            num_examples: that it is a mean over, or None.
            accumulation: averages micro-batches; nothing is noted before the last of a step.
        """
        loss = _single(loss)
        if num_examples is not None:
            num_examples = checked_examples(num_examples)
        if accumulation is not None:
            loss, num_examples = accumulation.add(loss, num_examples)
            if not accumulation.ends:
                return loss
        self._loss = loss = loss if self.ranks is None else self._agreed(loss, num_examples)
        judgement = self._judgement()
        if judgement is not None:
            judgement.record_loss(loss)
        if self._guard is not None:
            self._guard.record_loss(loss)
        return loss

    def take(self, optimizer: Optimizer, scaler: torch.amp.GradScaler | None, update_scaler: bool = True) -> None:
        """Have the optimizer take a step, or a scaler have it do so; it may fail where the guard skips it.

        Args:
            optimizer: the run's, or what a host wrapped it in.
            scaler: steps it, or None.
            update_scaler: whether to update the scaler afterwards.

        Raises:
            InputError: it is no `GradScaler`.
        """
        if scaler is not None:
            check_scaler(scaler, update_scaler)
        try:
            if scaler is None:
                optimizer.step()
            else:
                scaler.step(optimizer)
        except Exception:
            if self._guard is None or not self._guard.withholds:
                raise
            self._end()
        if scaler is not None and update_scaler:
            scaler.update()

    def _end(self) -> None:
        """End a step that has begun."""
        if not self._has_begun:
            return
        self._has_begun = False
        if self.signals is not None:
            self.signals.end()
        self._num_steps += 1
        if self._by_scaler is not None:
            before = self._skipped_on_device
            self._skipped_on_device = self._by_scaler.clone() if before is None else before + self._by_scaler
        scheduler = self._scheduler()
        if scheduler is None:
            return
        if self._events is not None:
            self._events.step_ends(self._num_steps, scheduler.optimizer)
        scheduler.step_taken()

    def _before(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._has_begun and self._loss is None:
            return None  # a class that calls its base's step
        self._has_begun = False
        if not self._num_steps and is_trial(optimizer):
            return (args, {**kwargs, "loss": torch.zeros(())}) if self._takes_loss else None
        if may_have_closure(args, kwargs):
            handed_on = after_closure(args, kwargs, _Closure(self, optimizer).ran)
            if handed_on is not None:
                return handed_on
        loss, self._loss = self._loss, None
        own = kwargs.get("loss")
        if loss is None and own is not None:
            loss = self._agreed(_single(own))
        self._begin(optimizer, loss)
        if self._takes_loss and loss is not None and (own is None or self.ranks is not None):
            return args, {**kwargs, "loss": loss}
        return None

    def _agreed(self, loss: Tensor, num_examples: float | None = None) -> Tensor:
        """The loss, or its mean over ranks."""
        return loss if self.ranks is None else mean_loss(self.ranks, loss, num_examples, self._num_steps)

    def _after(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._end()

    def _begin(self, optimizer: Optimizer, loss: Tensor | None) -> None:
        """Supply a step whose gradients are there, unless a `GradScaler` has a fused class skip it."""
        skipped: Tensor | None = getattr(optimizer, FOUND_INF, None)
        # A controller that looks at this step has to wait for it anyway.
        if skipped is not None and (skipped.is_cpu or self.signals is not None):
            if bool(skipped):
                return
            skipped = None
        self._by_scaler = skipped
        if self.signals is not None:
            self.signals.begin(loss)
        if self._events is not None:
            self._events.step_begins(loss)
        self._has_begun = True

    def ran_closure(self, optimizer: Optimizer, returned: Any) -> None:
        """Supply a step whose gradients a closure has made, with the loss that it returned unless one was recorded."""
        if self._has_begun:
            return  # a class that hands its closure on to its base's step
        is_given = self._loss is not None
        if not is_given and _is_number(returned):
            self.record_loss(returned)
        if (is_given or self.ranks is not None) and self._takes_loss and isinstance(optimizer, AssemblyOptimizer):
            optimizer.recorded_loss = self._loss  # not the one that the closure returns
        loss, self._loss = self._loss, None
        self._begin(optimizer, loss)

    def check_called_once(self, optimizer: Optimizer) -> None:
        """InputError where a controller needs the loss or gradients of a step, of which there are several."""
        scheduler = self._scheduler()
        if scheduler is not None and scheduler.needs_gradients:
            raise InputError(
                f"{type(optimizer).__name__} calls its closure several times a step, and the controller "
                f"{scheduler.spec.name!r} needs the loss and gradients of one call: choose another controller, such as "
                "'cosine'."
            )


class _Closure:
    """One step's closure, which some classes call several times."""

    def __init__(self, steps: TrainingSteps, optimizer: Optimizer) -> None:
        self._steps, self._optimizer, self._has_run = steps, optimizer, False

    def ran(self, returned: Any) -> None:
        """Note a call: the first supplies the step."""
        if self._has_run:
            self._steps.check_called_once(self._optimizer)
        else:
            self._has_run = True
            self._steps.ran_closure(self._optimizer, returned)


def is_trial(optimizer: Optimizer) -> bool:
    """Whether the step only creates state: `torch.distributed.checkpoint` takes one with rates and gradients of 0."""
    if optimizer.state or any(group.get("lr") != 0 for group in optimizer.param_groups):
        return False
    params = [param for group in optimizer.param_groups for param in group["params"]]
    grads = [param.grad for param in params if param.grad is not None]
    return bool(grads) and not any_true([local(grad) != 0 for grad in grads], grads)


def check_scaler(scaler: Any, update_scaler: Any = True) -> None:
    """InputError where it is no `GradScaler`, or it is not said whether to update it."""
    if not isinstance(scaler, torch.amp.GradScaler):
        raise InputError(f"run.step(scaler=) takes a torch.amp.GradScaler, got {quoted(scaler)}.")
    if not isinstance(update_scaler, bool):
        raise InputError(f"run.step(update_scaler=) is True or False, got {quoted(update_scaler)}.")


def _is_number(value: Any) -> bool:
    return value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, Real)


def _single(loss: Tensor | float) -> Tensor:
    try:
        detached = (loss if isinstance(loss, Tensor) else torch.as_tensor(loss)).detach()
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"The loss of a step is one number, got {quoted(loss)}.") from None
    if detached.is_complex() or detached.dtype == torch.bool:
        raise InputError(f"The loss of a step is one real number, got {quoted(loss)}.")
    if not detached.ndim:
        return detached
    if detached.numel() != 1:
        shape = tuple(detached.shape)
        raise InputError(f"The loss of a step is one number, got a tensor of shape {shape}; take its mean().")
    return detached.reshape(())
