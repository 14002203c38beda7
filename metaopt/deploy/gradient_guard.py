"""Skips the steps whose gradients overflow, counts them, and says when that is the end of a run."""

import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, TypeAlias, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.handover import Handover
from metaopt.deploy.optimizer.assembly_optimizer import AssemblyOptimizer
from metaopt.deploy.optimizer.precision import gradient_norm
from metaopt.deploy.ranks.rank_group import RankGroup
from metaopt.deploy.ranks.weighted_means import norm_of_parts
from metaopt.deploy.withheld_step import FOUND_INF, MarkedStep, WithheldStep, takes_found_inf
from metaopt.errors import OutOfDepthError
from metaopt.signals import LARGEST_NORM, MAX_SKIPS, overflows

#: What to do where training goes wrong: skip steps and hand over to a hand-designed rule, raise, or nothing.
GuardPolicy: TypeAlias = Literal["fallback", "raise", "off"]

_OVERFLOW = "gradients are not finite, or too large to be squared in float32"


@dataclass(frozen=True, slots=True)
class SkippedSteps:
    """Training steps that moved nothing.

    Attributes:
        by_guard: those whose gradients overflow.
        in_a_row: how many of these came last, one after the other.
        by_scaler: those for which a `GradScaler` called a fused class and told it not to move. Other classes it does
            not call at all, and nobody counts.
    """

    by_guard: int = 0
    in_a_row: int = 0
    by_scaler: int = 0


@final
@dataclass(eq=False, kw_only=True)
class GradientGuard:
    """Reads the gradients of each step, once, and keeps from the optimizer those that overflow.

    Such a step moves no weight, no state and no counter of the optimizer; the learning rate's plan goes on, and a
    controller that looks at gradients does not see these. The first one warns. After `MAX_SKIPS` in a row a learned
    rule hands over, and any other run is over: `reason` says so. It observes steps through `observe_steps`.

    Args:
        raises: raise at the first such step instead.
        handover: watches a learned rule at every other step, and hands over; None for other rules.
        parts: ranks of which each has a part of the gradients; None where each has them whole, as DDP leaves them.

    Attributes:
        reason: one sentence that says why the run is over, empty while it is not; after `wait`, of all steps.
        last_norm: of the gradients of the last step, 0-d, as they were read; None before the first.
        pending: verdicts that a GPU has yet to reach, 0 or 1, in their order: no step waits for one.
    """

    raises: bool = False
    handover: Handover | None = None
    parts: RankGroup | None = None
    reason: str = field(default="", init=False)
    last_norm: Tensor | None = field(default=None, init=False)
    pending: deque[tuple[Tensor, torch.cuda.Event]] = field(default_factory=deque, init=False)
    _skipped: SkippedSteps = field(default=SkippedSteps(), init=False)
    _num_steps: int = field(default=0, init=False)
    _norm: Tensor | None = field(default=None, init=False)
    _step: MarkedStep | WithheldStep | None = field(default=None, init=False)

    @property
    def skipped(self) -> SkippedSteps:
        """The steps skipped so far; asking waits for a GPU to finish them."""
        self._count_pending(wait=True)
        return self._skipped

    @property
    def counted(self) -> SkippedSteps:
        """The steps skipped so far, as far as that is known without waiting."""
        return self._skipped

    @property
    def withholds(self) -> bool:
        """Whether a step is being skipped; it may fail then, as in classes that need a gradient of some parameter."""
        return isinstance(self._step, WithheldStep)

    def wait(self) -> None:
        """Wait until a GPU has reached its pending verdicts, and count them."""
        self._count_pending(wait=True)

    def record_loss(self, loss: Tensor) -> None:
        """Note a training loss, 0-d; a learned rule is judged by it before the next step."""
        if self.handover is not None:
            self.handover.record_loss(loss)

    def gradient_norm(self, optimizer: Optimizer) -> Tensor:
        """Euclidean norm of the coming step's gradients, 0-d, read before the optimizer is called and not again."""
        self._norm = self._read(optimizer)
        return self._norm

    def begin_step(self, optimizer: Optimizer) -> None:
        """See `StepObserver`."""
        self._count_pending(wait=False)
        if self._step is not None and not self._step.enter(optimizer):
            self._settle(optimizer)

    def gradients_ready(self, optimizer: Optimizer) -> None:
        """See `StepObserver`.

        Raises:
            OutOfDepthError: the gradients overflow, or a learned rule is out of its depth, and `raises` was asked for.
        """
        if self._step is not None:
            self._step.withhold(optimizer)
            return
        by_scaler: Tensor | None = getattr(optimizer, FOUND_INF, None)
        if by_scaler is not None and by_scaler.is_cpu and bool(by_scaler):
            self._count(overflowed=False, by_scaler=True)
            return
        self.last_norm = norm = self._read(optimizer) if self._norm is None else self._norm
        if type(norm) is Tensor and not norm.is_cpu and not self.raises and takes_found_inf(optimizer):
            overflowed = (~(norm <= LARGEST_NORM)).float()
            self._step = MarkedStep(optimizer, overflowed)
            self._postpone(overflowed, torch.zeros_like(overflowed) if by_scaler is None else by_scaler)
            return
        if isinstance(optimizer, AssemblyOptimizer):
            optimizer.read_norm = norm  # which spares a rule that clips by it from reading all gradients again
        overflowed_here = overflows(float(norm))
        self._count(overflowed_here, by_scaler=by_scaler is not None and bool(by_scaler))
        if overflowed_here:
            self._step = WithheldStep(optimizer)
        elif self.handover is not None:
            self.handover.look()

    def end_step(self, optimizer: Optimizer) -> None:
        """See `StepObserver`."""
        self._norm = None
        if self._step is not None and self._step.leave():
            self._settle(optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers, under `"skipped"`, and what the handover keeps under its own name."""
        counts = {**asdict(self.skipped), "num_steps": self._num_steps, "reason": self.reason}
        return {"skipped": counts, "handover": None if self.handover is None else self.handover.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any], *, num_steps: int) -> None:
        """Continue from `state_dict()`; an old state without counts is of `num_steps` steps, none of them skipped."""
        counts = state.get("skipped") or {}
        self._skipped = SkippedSteps(**{key: int(counts.get(key, 0)) for key in asdict(SkippedSteps())})
        self._num_steps = int(counts.get("num_steps", num_steps))
        self.reason = str(counts.get("reason", ""))
        if self.handover is not None and state["handover"] is not None:
            self.handover.load_state_dict(state["handover"])

    def _read(self, optimizer: Optimizer) -> Tensor:
        norm = norm_of_gradients(optimizer)
        return norm if self.parts is None else norm_of_parts(self.parts, norm, self._num_steps)

    def _settle(self, optimizer: Optimizer) -> None:
        if self._step is not None:
            step, self._step = self._step, None
            step.settle(optimizer)

    def _count_pending(self, *, wait: bool) -> None:
        while self.pending and (wait or self.pending[0][1].query()):
            copied, event = self.pending.popleft()
            event.synchronize()
            overflowed, by_scaler = (bool(flag) for flag in copied)
            self._count(overflowed, by_scaler)

    def _postpone(self, *flags: Tensor) -> None:
        """Note the verdicts on a step, 0-d numbers on one device, to be counted once they have arrived."""
        copied = torch.stack([flag.float() for flag in flags]).to("cpu", non_blocking=True)
        self.pending.append((copied, torch.cuda.current_stream(flags[0].device).record_event()))

    def _count(self, overflowed: bool, by_scaler: bool) -> None:
        """Count a step. One that a scaler skipped is no overflow: with a smaller scale the gradients may be sound."""
        step, self._num_steps = self._num_steps, self._num_steps + 1
        skipped = self._skipped
        if by_scaler:
            self._skipped = replace(skipped, by_scaler=skipped.by_scaler + 1)
        elif overflowed:
            self._skip(step)
        elif skipped.in_a_row:
            self._skipped = replace(skipped, in_a_row=0)

    def _skip(self, step: int) -> None:
        if self.raises:
            raise OutOfDepthError(
                f"At step {step} the {_OVERFLOW}; bind with guard='fallback' to skip such steps, or 'off' to take them."
            )
        before = self._skipped
        self._skipped = replace(before, by_guard=before.by_guard + 1, in_a_row=before.in_a_row + 1)
        if before.by_guard == 0:
            _warn(
                f"At step {step} the {_OVERFLOW}: the step is skipped, as will be others like it (run.skipped counts "
                "them); look for bad data, or lower the rate."
            )
        if self.handover is not None:
            self.handover.forget()
        if self._skipped.in_a_row < MAX_SKIPS or self.reason:
            return
        why = f"{MAX_SKIPS} steps in a row were skipped, whose {_OVERFLOW}"
        if self.handover is not None and self.handover.hand_over(why):
            self._skipped = replace(self._skipped, in_a_row=0)
        else:
            self.reason = f"At step {step} {why}: training diverged."
            _warn(f"{self.reason[:-1]}, and run.observe(value) says stop.")


def norm_of_gradients(optimizer: Optimizer) -> Tensor:
    """Norm of all gradients, without the scale that a `GradScaler` leaves a fused class to divide by."""
    grads = [param.grad for group in optimizer.param_groups for param in group["params"] if param.grad is not None]
    scale: Tensor | None = getattr(optimizer, "grad_scale", None)
    if scale is None:
        return gradient_norm(grads)
    norm = gradient_norm(grads, dtype=torch.float64)  # scaled ones may overflow where true ones do not
    return norm / scale.to(norm.device)


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=8)
