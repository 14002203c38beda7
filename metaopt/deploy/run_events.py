"""What a run reports to a logger: its steps, validations and decisions, without waiting for a device at each step."""

from typing import Any, final

import torch
from torch import Tensor
from torch.optim import Optimizer

from metaopt.contracts import Decision, Observation, Reporter, Watch
from metaopt.deploy.gradient_guard import GradientGuard, SkippedSteps

#: Steps that are reported together where their numbers lie on a device: one wait for all of them.
TOGETHER = 50


@final
class RunEvents:
    """Reports what a run does as `metaopt.Event`s.

    A step's numbers are read from a device after `TOGETHER` steps, or at the next validation, whatever comes first.
    Nothing is computed for a report: the gradients' norm is the one that the guard has read.

    Args:
        watch: who listens, or None.
        guard: the run's, or None.
    """

    def __init__(self, watch: Watch | None, guard: GradientGuard | None) -> None:
        self._report, self._guard = Reporter("run", watch), guard
        self._loss: Tensor | None = None
        self._pending: list[tuple[int, dict[str, float | Tensor]]] = []
        self._skipped = SkippedSteps() if guard is None else guard.counted
        self._handed_over = self._reason = ""
        self._is_finished = False

    def step_begins(self, loss: Tensor | None) -> None:
        """Note the loss of the step that is about to be taken."""
        self._loss = loss

    def step_ends(self, step: int, optimizer: Optimizer) -> None:
        """A step was taken, by the rates that the optimizer still has."""
        if not self._report:
            return
        numbers: dict[str, float | Tensor] = dict(_rates(optimizer))
        loss, self._loss = self._loss, None
        if loss is not None:
            numbers["loss"] = loss
        norm = None if self._guard is None else self._guard.last_norm
        if norm is not None:
            numbers["gradient_norm"] = norm
        kept = {name: _kept(number) for name, number in numbers.items()}
        self._pending.append((step, kept))
        if len(self._pending) >= TOGETHER or not any(isinstance(number, Tensor) for number in kept.values()):
            self._tell_steps()

    def observed(self, observation: Observation, decision: Decision) -> Decision:
        """A validation was taken in, and this was decided; returns the decision."""
        if not self._report:
            return decision
        self._tell_steps()
        numbers = {"metric": observation.value, **observation.signals}
        self._report("validation", observation.step, numbers)
        if (decision.best_step, decision.best_value) == (observation.step, observation.value):
            self._report("best", observation.step, {"best": observation.value}, "The best validation so far.")
        if decision.stop and decision.reason != self._reason:
            self._reason = decision.reason
            self._report("stop", observation.step, {}, decision.reason)
        return decision

    def finished(self, step: int, decision: Decision) -> None:
        """The run is finished."""
        if not self._report or self._is_finished:
            return
        self._is_finished = True
        self._tell_steps()
        best = {} if decision.best_value is None else {"best": decision.best_value}
        of_best = f", whose best validation was that of step {decision.best_step:,}" if best else ""
        self._report("finish", step, best, f"Finished after {step:,} steps{of_best}.")

    def _tell_steps(self) -> None:
        pending, self._pending = self._pending, []
        tensors = [number for _, numbers in pending for number in numbers.values() if isinstance(number, Tensor)]
        values = iter(_read(tensors))
        for step, numbers in pending:
            plain = {name: next(values) if isinstance(number, Tensor) else number for name, number in numbers.items()}
            self._report("step", step, plain)
        if pending and self._guard is not None:
            self._tell_guard(pending[-1][0], self._guard)

    def _tell_guard(self, step: int, guard: GradientGuard) -> None:
        before, now = self._skipped, guard.counted
        self._skipped = now
        if (now.by_guard, now.by_scaler) != (before.by_guard, before.by_scaler):
            who = "the guard, whose gradients overflow" if now.by_guard != before.by_guard else "the GradScaler"
            count = now.by_guard + now.by_scaler - before.by_guard - before.by_scaler
            skipped = {"skipped_by_guard": float(now.by_guard), "skipped_by_scaler": float(now.by_scaler)}
            number = "1 step was" if count == 1 else f"{count} steps were"
            self._report("skipped", step, skipped, f"{number} skipped by {who}.")
        why = "" if guard.handover is None else guard.handover.why
        if why and why != self._handed_over:
            self._handed_over = why
            self._report("handover", step, {}, why)


def _rates(optimizer: Optimizer) -> dict[str, Any]:
    """`rate` of the first group, and `rate.2`, … of groups that have another peak; none of a rule without rates."""
    rates: dict[str, Any] = {}
    peaks: list[float] = []
    for place, group in enumerate(optimizer.param_groups):
        if "lr" not in group:
            continue
        peak = float(group.get("initial_lr", 0.0)) if not isinstance(group["lr"], Tensor) else float(place)
        if peak not in peaks:
            peaks.append(peak)
            rates["rate" if not rates else f"rate.{place + 1}"] = group["lr"]
    return rates


def _kept(number: float | Tensor) -> float | Tensor:
    """The number where no device has it; else a copy, for a rate in a tensor is written in place."""
    if not isinstance(number, Tensor):
        return number
    return float(number) if number.device.type == "cpu" else number.clone()


def _read(tensors: list[Tensor]) -> list[float]:
    """Numbers of 0-d tensors; one wait for each device that they lie on."""
    values: dict[int, float] = {}
    for device in {tensor.device for tensor in tensors}:
        own = [place for place, tensor in enumerate(tensors) if tensor.device == device]
        values |= zip(own, torch.stack([tensors[place].double() for place in own]).tolist(), strict=True)
    return [values[place] for place in range(len(tensors))]
