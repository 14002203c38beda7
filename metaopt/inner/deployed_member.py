"""A member whose optimizer is a library's class without a rule: it trains by itself, with what a user's loop has."""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import final

import torch
from torch import Tensor

from metaopt.contracts import Curve, Task
from metaopt.deploy import (
    GRADIENT_SIGNALS,
    PLAIN_SIGNALS,
    ControllerScheduler,
    GradientGuard,
    Judgement,
    Run,
    WrapperSignals,
    build_optimizer,
)
from metaopt.errors import MetaOptError, RefusedError, UnsteppableError, first_line, named_line
from metaopt.inner.curve_recorder import CurveRecorder
from metaopt.inner.gradients.batches import Batches, first_inputs
from metaopt.inner.gradients.looped import LoopedGradients, balances_of
from metaopt.inner.kept_checkpoints import KeptCheckpoints
from metaopt.inner.member import Member
from metaopt.inner.skipping import are_lost
from metaopt.inner.updates.layout import Layout
from metaopt.inner.updates.role_rule import check_taken
from metaopt.seeding import GlobalStream

#: Apart from the seed of weights and masks, so that a class's own draws are not those of a dropout layer.
_STREAM = 0x6D6F


@final
class DeployedMember:
    """One member in training, stepped by the optimizer that `bind` would make.

    What the class draws comes from a stream of its own, whoever else trains in the process.

    Args:
        task: what to train, with the splits that the member's seed draws.
        member: its optimizer has no rule.
        signals: beside `train_loss`; a class without a rule has none, so they are NaN.

    Attributes:
        refusal: why the class did not train with these hyperparameters, if it raised: its curve is NaN from there on.
    """

    def __init__(self, task: Task, member: Member, signals: frozenset[str] = frozenset()) -> None:
        self._task = task
        self._recorded = sorted(signals)
        self._module = task.build(member.seed)
        self._layout = Layout(self._module, first_inputs(task))
        self._batches = Batches(task, [member.seed])
        balances = balances_of(task, [member], [self._module])
        self._source = LoopedGradients(
            task, self._layout, [self._module], [member.seed], shared=True, balances=balances
        )
        self._stream = GlobalStream(member.seed ^ _STREAM)
        native = member.assembly.optimizer.native
        assert native is not None
        self._native = native
        self._guard = GradientGuard()
        self._has_failed = False
        self.refusal: str | None = None
        self._run: Run | None = None
        try:
            with self._stream.numbers():
                self._run = self._bound(member)
        except (RefusedError, UnsteppableError) as error:
            self._refused(first_line(error))

    def curve(self, resampled: bool, progress: Callable[[int], None] | None) -> Curve:
        """Train to the end and return the curve; from where training has diverged on it is NaN."""
        with self._stream.numbers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a skipped step is in the curve, and a library's remarks are the user's
            return self._curve(resampled, progress)

    def _curve(self, resampled: bool, progress: Callable[[int], None] | None) -> Curve:
        validations = set(self._task.validation_steps)
        recorder = CurveRecorder(("train_loss", *self._recorded))
        kept = KeptCheckpoints(self._source, self._task.splits, 1) if resampled else None
        losses: list[Tensor] = []
        for step in range(self._task.num_steps):
            losses.append(self._step(step))
            if step + 1 in validations:
                if progress is not None:
                    progress(step + 1 - recorder.last_step)
                self._validate(step + 1, torch.stack(losses).mean(), recorder, kept)
                losses.clear()
        return recorder.curves(self._task.num_steps, None if kept is None else kept.resampled())[0]

    def _bound(self, member: Member) -> Run:
        assembly, horizon = member.assembly, self._task.num_steps
        check_taken(assembly, self._layout, self._task.name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what the class needs of a loop it has here
            patterns = self._layout.roles if assembly.has_roles else None
            optimizer = build_optimizer(assembly, self._module, patterns=patterns, horizon=horizon)
        scheduler = ControllerScheduler(
            optimizer,
            assembly.controller,
            assembly.controller_values,
            total_steps=horizon,
            mode="min",
            supplies=PLAIN_SIGNALS | GRADIENT_SIGNALS,
            warmup=assembly.configuration.warmup,
        )
        signals, none = WrapperSignals(optimizer, {}), frozenset[str]()
        judgement = Judgement(None, signals, mode="min", requires=none, uses=none, guard=True)
        return Run(self._module, optimizer, scheduler, judgement, keep_best=None, guard=self._guard)

    def _step(self, step: int) -> Tensor:
        if self._has_diverged:
            return torch.tensor(torch.nan)
        try:
            return self._stepped(step)
        except _StepError as failed:
            # A class may trip over numbers that are finite no more; else it does not take what it was made with.
            self._refused(None if self._is_lost() else f"its step raised {named_line(failed.error)}.")
            return torch.tensor(torch.nan)

    def _refused(self, reason: str | None) -> None:
        self._has_failed, self.refusal = True, reason

    @property
    def _has_diverged(self) -> bool:
        return self._has_failed or bool(self._guard.reason)

    def _is_lost(self) -> bool:
        return bool(are_lost(self._layout.stack([dict(self._module.named_parameters())]), 1))

    def _stepped(self, step: int) -> Tensor:
        inputs, targets = self._batches.at(step)

        def closure() -> Tensor:
            with torch.enable_grad():  # not every class says so around its closure
                loss, grads = self._source.gradients_at(0, step, inputs, targets, graph=self._native.needs_graph)
            params = dict(self._module.named_parameters())
            for name, grad in grads.items():
                params[name].grad = grad
            return loss

        run = self._run
        assert run is not None
        loss = closure()  # what fails here is the task's
        try:
            if self._native.takes_closure:
                run.record_loss(loss)
                try:
                    run.optimizer.step(closure)  # type: ignore[arg-type]
                except Exception:
                    if not self._guard.withholds:
                        raise
                run.scheduler.step()
            else:
                run.step(loss)
        except (MetaOptError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # a stranger's class
            raise _StepError(error) from error
        run.optimizer.zero_grad()
        return loss

    def _validate(self, step: int, train_loss: Tensor, recorder: CurveRecorder, kept: KeptCheckpoints | None) -> None:
        unknown = torch.full((1,), torch.nan)
        signals = dict.fromkeys(self._recorded, unknown)
        with nullcontext() if self._run is None else self._run.evaluating():
            flats = self._layout.stack([dict(self._module.named_parameters())])
            lost = are_lost(flats, 1) | self._has_diverged
            validation, test = (
                torch.where(lost, torch.nan, value) for value in self._source.evaluate(flats, self._task.splits)
            )
            recorder.add(step, validation, test, train_loss=train_loss.reshape(1), **signals)
            if kept is not None:
                kept.validated(flats, validation)
        if self._run is not None:
            self._run.observe(float(validation))


class _StepError(Exception):
    """The class's step raised."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
