"""A recipe at work on one model: optimizer, scheduler, stopper, and the best weights so far."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from metaopt.contracts import Decision, Mode, Stopper, Watch
from metaopt.deploy.accelerated import Accelerator, Accumulation
from metaopt.deploy.gradient_guard import GradientGuard, SkippedSteps
from metaopt.deploy.held_weights import HeldWeights
from metaopt.deploy.plan_warnings import warn_at_last
from metaopt.deploy.ranks.joining import Joining
from metaopt.deploy.run_events import RunEvents
from metaopt.deploy.run_losses import LossRun
from metaopt.deploy.saved_runs import SavedRun
from metaopt.deploy.scheduler.scheduler import ControllerScheduler
from metaopt.deploy.state.damaged_state import refusing_damage
from metaopt.deploy.state.model_names import ModelNames
from metaopt.deploy.stopping.judgement import Judgement
from metaopt.deploy.training_step import TrainingSteps
from metaopt.multitask import ModuleBalance


@final
class Run(LossRun):
    """One training run, made by `recipe.bind`.

    Call `step(loss)` after each backward pass, or `step({task: loss, …})` without one, and `observe(value)` after each
    validation. Where a framework steps by
    itself, hand it `run.optimizer` and `run.scheduler` (one `scheduler.step()` per training step), call `observe`, and
    `record_loss(loss)` before each `optimizer.step()`.

    Args:
        model: the module in training, or its parameters.
        optimizer: built for it.
        scheduler: acts on the optimizer.
        judgement: the stopper and the guard of metrics.
        optimizer_signals: signals that the optimizer requires; `"loss"` is passed on to it.
        keep_best: device of the copy of the best weights, or None to keep none.
        guard: skips steps whose gradients overflow, or None.
        names: of the model's parameters.
        rate: what a law of rates came to, in words.
        watch: who is told what the run does, or None.
        accelerator: prepares the optimizer and says which micro-batch ends a step; or None.
        tasks: makes one gradient of several losses; that of their mean if left out.

    Attributes:
        optimizer: a `torch.optim.Optimizer`; under Accelerate, one that it prepared.
        scheduler: a `torch.optim.lr_scheduler.LRScheduler`.
    """

    def __init__(
        self,
        model: nn.Module | Sequence[Tensor],
        optimizer: Optimizer,
        scheduler: ControllerScheduler,
        judgement: Judgement,
        *,
        optimizer_signals: frozenset[str] = frozenset(),
        keep_best: str | torch.device | None = "cpu",
        guard: GradientGuard | None = None,
        names: ModelNames | None = None,
        rate: str = "",
        watch: Watch | None = None,
        accelerator: Accelerator | None = None,
        tasks: ModuleBalance | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.optimizer = optimizer if accelerator is None else accelerator.prepare(optimizer)
        self._accumulation = None if accelerator is None else Accumulation(accelerator.gradient_state)
        scheduler.warns_past_plan = guard is None or guard.handover is None  # or else the guard says so
        self._judgement, self._weights = judgement, HeldWeights(model, optimizer, keep_best)
        self._guard, self._events = guard, None if watch is None else RunEvents(watch, guard)
        takes_loss = "loss" in optimizer_signals
        self._steps = TrainingSteps(optimizer, scheduler, judgement, guard, self._events, takes_loss=takes_loss)
        self._rate, names = rate, names or ModelNames()
        self._state = SavedRun(optimizer, scheduler, judgement, self._weights, self._steps, guard, names, tasks)
        ranks, meets = judgement.ranks, self._steps.ranks is not None
        joining = None if ranks is None else Joining(model, ranks, meets, self._state)
        super().__init__(model, joining, self._steps, tasks, self._accumulation)
        self._weights.include_unfrozen(names.frozen)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._steps.arm(self._weights.optimizer, self.scheduler, self._judgement)  # copies of optimizers have no hooks
        self._weights.include_unfrozen(self._state.names.frozen, self._state.names.names)

    def __repr__(self) -> str:
        plan = self.scheduler.horizon
        return f"Run(step {self.num_steps}{'' if plan is None else f' of {plan}'}{self._rate and f', {self._rate}'})"

    @property
    def stopper(self) -> Stopper | None:
        """The early-stopping policy, or None: then only the guard ever says stop."""
        return self._judgement.stopper

    @property
    def mode(self) -> Mode:
        """`"min"` if the metric is better when lower, `"max"` if when higher."""
        return self._judgement.mode

    @property
    def num_steps(self) -> int:
        """Optimizer steps taken, those that the guard skipped among them, and none that a `GradScaler` skipped."""
        return self._steps.count

    @property
    def skipped(self) -> SkippedSteps:
        """How many steps the guard and a `GradScaler` skipped; zeros with `guard="off"`."""
        return SkippedSteps() if self._guard is None else self._guard.skipped

    @property
    def is_evaluating(self) -> bool:
        """Whether `evaluating` is in force."""
        return self._weights.is_evaluating

    @property
    def decision(self) -> Decision:
        """The last one; a training that is resumed after its stopper said stop has nothing left to do."""
        return self._judgement.decision

    @property
    def best_step(self) -> int | None:
        """Step of the best value so far, or None."""
        return self.decision.best_step

    @property
    def best_value(self) -> float | None:
        """The best finite value so far, or None."""
        return self.decision.best_value

    def step(
        self,
        loss: Tensor | float | Mapping[str, Tensor] | None = None,
        *,
        num_examples: float | None = None,
        scaler: torch.amp.GradScaler | None = None,
        update_scaler: bool = True,
    ) -> None:
        """One training step, after the backward pass: the optimizer, then the controller.

        Under Accelerate it is taken where gradients are synchronized: call it for every micro-batch.

        Args:
            loss: training loss of this batch, one number, unscaled. Pass it always: some plugins need it. Losses by
                task are taken back through the model first: see `backward`.
            num_examples: see `record_loss`.
            scaler: steps the optimizer, after `scaler.scale(loss).backward()`; what it skips moves nothing of this run.
            update_scaler: call `scaler.update()`; False where several optimizers share a scaler, all but the last one.

        Raises:
            InputError: the loss is not one number, `scaler` is none, `evaluating` is in force, or the run is finished.
            PluginError: the optimizer requires the loss and did not get it.
            OutOfDepthError: gradients overflow, or a learned rule is out of its depth, under `guard="raise"`.
            RankError: the ranks do not come together, where the loss is averaged over them.

        Warns:
            RuntimeWarning: this step was the first to be skipped, since its gradients overflow.
            UserWarning: this is the first step past the planned ones; or, once the run is given up after all planned
                steps, a stopper or controller that listens to validations never heard of one.
        """
        self._weights.check_steps()
        if self._joining is not None:
            self.check_joined()
        loss = self._single(loss, scaler)
        if loss is not None:
            self._steps.record_loss(loss, num_examples, self._accumulation)
        if self._accumulation is not None and not self._accumulation.ends:
            return
        self._steps.take(self.optimizer, scaler, update_scaler)
        scheduler, judgement, before = self.scheduler, self._judgement, self.scheduler.last_epoch
        scheduler.step()
        if before < scheduler.last_epoch == scheduler.horizon and judgement.waits_for_validations:
            warn_at_last(self, judgement.validations, "The recipe's stopper", self.num_steps, "run.observe(value)")

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluate inside: averaged weights where the rule has them, and eval mode; afterwards all is as it was.

        After `restore_best` the restored weights stay in place. Buffers are those of training: recompute BatchNorm's
        statistics inside (`torch.optim.swa_utils.update_bn`) if averaged weights need their own.
        """
        with self._weights.evaluating(self.num_steps):
            yield

    def observe(self, value: float | Tensor, num_examples: float | None = None, **signals: float) -> Decision:
        """Take in one validation: feeds the stopper and metric-driven controllers, keeps the best weights.

        One before the first step makes the weights that came with the model the first candidate for `restore_best`; not
        being finite, it says nothing. Right after `load_state_dict`, one of the checkpoint's own step is not counted
        again; after `finish`, none is. Where several ranks train the model, each calls it with what it measured on its
        own examples, and all decide by the means.

        Args:
            value: the metric, in its own orientation; NaN where there is none, and then no best weights are kept.
            num_examples: how many examples it is a mean over, on every rank or on none; the mean over ranks is weighted
                by them, and a rank with 0, whose value may be NaN, does not count. Equal weights if left out.
            **signals: further numbers that the stopper requires, such as `epoch` (epochs done) or `evidence` (see
                `metaopt.gradient_evidence`). `train_loss` (mean since the last observation, if `step` got the loss),
                `lr` (the coming step's rate as a share of the recipe's) and `seconds` (since `bind`, of all parts of a
                resumed run; those of the first rank) are supplied unless given.

        Returns:
            Whether to stop, why, and the best step and value so far.

        Raises:
            InputError: the metric or a signal is not one number, nothing knows it, or one that is required is missing.
            RankError: the ranks do not come together.

        Warns:
            UserWarning: the optimizer averages its weights, and `evaluating` did not put the averages in.
        """
        judgement, step, scheduler = self._judgement, self.num_steps, self.scheduler
        if self._weights.is_finished or judgement.holds_validation_of(step):
            return judgement.decision
        if self._joining is not None:
            self.check_joined(meets_all=True)
        if self._guard is not None:
            if self._guard.pending:
                self._guard.wait()
            judgement.stop_for(self._guard.reason)
        observation = judgement.observation(value, signals, step, scheduler.horizon, scheduler.share, num_examples)
        self._weights.take_in(step, observation.value, improves=judgement.improves(observation))
        if not judgement.says_nothing(observation):
            scheduler.observe(observation.value)
        params = (param for group in self.optimizer.param_groups for param in group["params"])
        decision = judgement.decide(observation, params)
        return decision if self._events is None else self._events.observed(observation, decision)

    def restore_best(self) -> None:
        """Write the best weights seen by `observe` into the model, with buffers such as BatchNorm's statistics.

        They are evaluation weights where the rule averages. It works whether or not a stopper ever said stop. Where no
        validation beat one before the first step, they came with the model, and the logger `metaopt` says so (INFO).

        Raises:
            InputError: there is nothing to restore: no finite value was ever observed, or no copy was kept.
        """
        self._weights.restore_best(self.num_steps, self._judgement.validations.count, self.best_step)

    def finish(self, *, best: bool = True) -> None:
        """End the run: the model holds what it is to be used with, and no further step is taken.

        With `best` that is the best weights if `observe` saw a finite value and a copy was kept, else what `evaluating`
        puts in. BatchNorm's statistics come with the best weights only; for averages, recompute them with
        `torch.optim.swa_utils.update_bn`. Calling it again changes nothing; `load_state_dict` opens the run anew.

        Raises:
            InputError: `evaluating` is in force.
        """
        self._weights.finish(self.num_steps, self._judgement.validations.count, self.best_step, best=best)
        if self._events is not None:
            self._events.finished(self.num_steps, self._judgement.decision)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the model's present weights: save `model.state_dict()` next to it.

        Loadable with `torch.load(weights_only=True)`. All ranks have the same, but where parameters are sharded.

        Raises:
            InputError: `evaluating` is in force, or the run is finished: training does not go on from averages.
        """
        self._weights.check_goes_on()
        return self._state.saved()

    @refusing_damage("a run")
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`, on a run bound from the same recipe to the same model.

        Raises:
            InputError: it is not a run's state, or that of a run of another mode, optimizer, controller or stopper.
        """
        peaks = self.scheduler.base_lrs
        self._state.load(state)
        if peaks != self.scheduler.base_lrs:
            self._rate = ""  # of another plan or batch, and the saved one is kept

    def observations(self) -> dict[str, Any]:
        """The part of `state_dict` that frameworks do not save: stopper, best weights, counters."""
        return self._state.observations()

    @refusing_damage("a run")
    def load_observations(self, state: Mapping[str, Any]) -> None:
        """Continue from `observations()`; errors as for `load_state_dict`."""
        self._state.load_observations(state)
