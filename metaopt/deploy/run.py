"""A recipe at work on one model: optimizer, scheduler, stopper, and the best weights so far."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from metaopt.contracts import Decision, Observation, Stopper
from metaopt.contracts.stopper import Mode
from metaopt.deploy.best_weights import BestWeights
from metaopt.deploy.evaluation import eval_mode, evaluating
from metaopt.deploy.guard import Guard
from metaopt.deploy.handover import Handover
from metaopt.deploy.last_update import LastUpdate
from metaopt.deploy.observation import observation_of, warn_of_no_validation
from metaopt.deploy.precision import gradient_norm
from metaopt.deploy.recent_losses import RecentLosses
from metaopt.deploy.scheduler import ControllerScheduler
from metaopt.deploy.told import Told
from metaopt.errors import InputError


@final
class Run:
    """One training run, made by `recipe.bind`.

    Call `step(loss)` after each backward pass and `observe(value)` after each validation. Where a framework steps by
    itself, hand it `run.optimizer` and `run.scheduler` (one `scheduler.step()` per training step) and call `observe`.
    With a `GradScaler`: `scaler.step(run.optimizer); scaler.update(); run.scheduler.step()` in place of `step`.

    Args:
        model: the module in training, or its parameters.
        optimizer: built for it.
        scheduler: acts on the optimizer.
        stopper: the early-stopping policy, or None: then only the guard ever says stop.
        mode: `"min"` if the metric is better when lower, `"max"` if when higher.
        optimizer_signals: signals that the optimizer requires; `"loss"` is passed on to it.
        stopper_signals: signals that the stopper requires with each observation.
        told: signals that the optimizer has for the stopper.
        keep_best: device of the copy of the best weights, or None to keep none.
        guard: whether to say stop once nothing can be saved: the metric is not finite, and neither are the weights
            or the last training loss.
        handover: watches a learned rule, or None.

    Attributes:
        optimizer: a `torch.optim.Optimizer`.
        scheduler: a `torch.optim.lr_scheduler.LRScheduler`.
        stopper: a `Stopper`, or None.
    """

    def __init__(
        self,
        model: nn.Module | Sequence[Tensor],
        optimizer: Optimizer,
        scheduler: ControllerScheduler,
        stopper: Stopper | None,
        *,
        mode: Mode = "min",
        optimizer_signals: frozenset[str] = frozenset(),
        stopper_signals: frozenset[str] = frozenset(),
        told: Told | None = None,
        stopper_uses: frozenset[str] = frozenset(),
        keep_best: str | torch.device | None = "cpu",
        guard: bool = True,
        handover: Handover | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.stopper = stopper
        self.mode: Mode = mode
        self._optimizer_signals = optimizer_signals
        self._stopper_signals, self._stopper_uses = stopper_signals, stopper_uses
        self._told = told or Told(optimizer, {})
        self._best = None if keep_best is None else BestWeights(model, torch.device(keep_best))
        self._guard = Guard(active=guard)
        self._handover = handover
        self._last_update = LastUpdate() if "agreement" in scheduler.required else None
        self._decision = Decision(stop=False)
        self._num_observations = 0
        self._last_observed: int | None = None
        self._observed_before: int | None = None  # the last observation of a loaded state
        self._losses = RecentLosses()
        self._seconds_before = 0.0
        self._started = time.monotonic()
        self._evaluating = False
        self._restored_step: int | None = None

    @property
    def num_steps(self) -> int:
        """Training steps completed."""
        return int(self.scheduler.last_epoch)

    @property
    def is_evaluating(self) -> bool:
        """Whether `evaluating` is in force."""
        return self._evaluating

    @property
    def best_step(self) -> int | None:
        """Step of the best value so far, or None."""
        return self._decision.best_step

    @property
    def best_value(self) -> float | None:
        """The best finite value so far, or None."""
        return self._decision.best_value

    def step(self, loss: Tensor | float | None = None) -> None:
        """One training step, after the backward pass: the optimizer, then the controller.

        Args:
            loss: training loss of this batch, one number. Pass it always: some optimizers, controllers and stoppers
                need it.

        Raises:
            InputError: the loss is not one number, or `evaluating` is in force.
            PluginError: the optimizer requires the loss and did not get it.
            OutOfDepthError: a learned rule is, and `guard="raise"` was asked for.

        Warns:
            UserWarning: this was the last planned step, and a stopper or a controller that listens to validations never
                heard of one.
        """
        if self._evaluating:
            raise InputError("Leave `with run.evaluating()` before calling run.step().")
        detached = None if loss is None else self.record_loss(loss)
        if self.scheduler.needs_gradients:
            self.scheduler.prepare(
                loss=detached, gradient_norm=self._gradient_norm(), agreement=self._last_update_agreement()
            )
        if self._last_update is not None:
            self._last_update.begin(self._parameters())
        takes_loss = "loss" in self._optimizer_signals and detached is not None
        given: dict[str, Any] = {"loss": detached} if takes_loss else {}
        self.optimizer.step(**given)
        if self._last_update is not None:
            self._last_update.end(self._parameters())
        self.scheduler.step()
        if self.stopper is not None and not self._num_observations and self.num_steps == self.scheduler.horizon:
            warn_of_no_validation("The recipe's stopper", self.num_steps, "run.observe(value)")

    def record_loss(self, loss: Tensor | float) -> Tensor:
        """Note a training loss; `step` does it, and only loops that step by themselves need to.

        Args:
            loss: training loss of a batch, one number.

        Returns:
            It, detached and 0-d.

        Raises:
            InputError: it is not one number.
        """
        detached = torch.as_tensor(loss).detach()
        if detached.numel() != 1:
            raise InputError(
                f"The loss of a step is one number, got a tensor of shape {tuple(detached.shape)}; take its mean()."
            )
        detached = detached.reshape(())
        self._losses.add(detached, total="train_loss" in self._stopper_signals | self._stopper_uses)
        if self._handover is not None:
            self._handover.saw(detached)
        return detached

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluate inside: averaged weights where the rule has them, and eval mode; afterwards all is as it was.

        After `restore_best` the restored weights stay in place. Buffers are those of training: recompute BatchNorm's
        statistics inside (`torch.optim.swa_utils.update_bn`) if averaged weights need their own.
        """
        restored = self._restored_step == self.num_steps
        module = self.model if isinstance(self.model, nn.Module) else None
        outer, self._evaluating = self._evaluating, True
        try:
            with eval_mode(module), contextlib.nullcontext() if restored else evaluating(self.optimizer):
                yield
        finally:
            self._evaluating = outer

    def observe(self, value: float | Tensor, **signals: float) -> Decision:
        """Take in one validation: feeds the stopper and metric-driven controllers, keeps the best weights.

        Right after `load_state_dict`, the validation of the checkpoint's own step is not counted a second time.

        Args:
            value: the metric, in its own orientation; NaN if it could not be computed, or where there is no validation
                set: such a run keeps no best weights.
            **signals: further numbers that the stopper requires, such as `epoch` (epochs done) or `evidence` (see
                `metaopt.gradient_evidence`). `train_loss` (mean since the last observation, if `step` got the loss),
                `lr` (the coming step's rate as a share of the recipe's) and `seconds` (since `bind`, of all parts of a
                resumed run) are supplied unless given.

        Returns:
            Whether to stop, why, and the best step and value so far.

        Raises:
            InputError: the metric or a signal is not one number, or a signal that the stopper requires is missing.
        """
        if self._observed_before == self.num_steps:
            return self._decision
        known = {"seconds": self._seconds(), "train_loss": self._losses.mean(), "lr": self.scheduler.share}
        observation = observation_of(
            value,
            signals,
            step=self.num_steps,
            horizon=self.scheduler.horizon,
            known={**self._told.signals(self._stopper_signals | self._stopper_uses), **known},
            required=self._stopper_signals,
            used=self._stopper_uses,
        )
        best_step, best_value = self._update_best(observation)
        self.scheduler.observe(observation.value)
        reason = self._stop_reason(observation)
        self._losses.clear()
        self._num_observations += 1
        self._last_observed, self._observed_before = self.num_steps, None
        self._decision = Decision(bool(reason), reason, best_step, best_value)
        return self._decision

    def restore_best(self) -> None:
        """Write the best weights seen by `observe` into the model, with buffers such as BatchNorm's statistics.

        They are evaluation weights where the rule averages. It works whether or not a stopper ever said stop.

        Raises:
            InputError: there is nothing to restore: no finite value was ever observed, or no copy was kept.
        """
        if self._best is None:
            raise InputError("No copy of the best weights was kept; bind with keep_best='cpu'.")
        if self._evaluating:
            raise InputError("Leave `with run.evaluating()` before calling run.restore_best().")
        if self._best.weights is None:
            seen = f"none of {self._num_observations} observed values was finite"
            never = "run.observe(value) was never called"
            raise InputError(f"There are no best weights to restore: {seen if self._num_observations else never}.")
        self._best.restore()
        self._restored_step = self.num_steps

    def state_dict(self) -> dict[str, Any]:
        """Everything but the model's present weights: save `model.state_dict()` next to it.

        Loadable with `torch.load(weights_only=True)`.

        Raises:
            InputError: `evaluating` is in force: the model may hold averages, from which training would not go on.
        """
        if self._evaluating:
            raise InputError("Leave `with run.evaluating()` before saving run.state_dict() and the model's.")
        own = {"optimizer": self.optimizer.state_dict(), "scheduler": self.scheduler.state_dict()}
        return {**own, **self.observations()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`, on a run bound from the same recipe to the same model.

        Raises:
            InputError: it is not a run's state, or that of a run of another mode, optimizer, controller or stopper.
        """
        self._check_same(state)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.load_observations(state)

    def observations(self) -> dict[str, Any]:
        """The part of `state_dict` that frameworks do not save: stopper, best weights, counters."""
        return {
            "mode": self.mode,
            "stopper": None if self.stopper is None else self.stopper.state_dict(),
            "best_weights": None if self._best is None else self._best.weights,
            "decision": asdict(self._decision),
            "num_observations": self._num_observations,
            "last_observed": self._last_observed,
            "lost_reason": self._guard.reason,
            "losses": self._losses.state_dict(),
            "last_update": None if self._last_update is None else self._last_update.state_dict(),
            "handover": None if self._handover is None else self._handover.state_dict(),
            "seconds": self._seconds(),
        }

    def load_observations(self, state: Mapping[str, Any]) -> None:
        """Continue from `observations()`; errors as for `load_state_dict`."""
        self._check_same(state)
        if self.stopper is not None:
            self.stopper.load_state_dict(state["stopper"])
        if self._best is not None:
            self._best.load(state["best_weights"])
        self._decision = Decision(**state["decision"])
        self._num_observations = int(state["num_observations"])
        self._last_observed = self._observed_before = state["last_observed"]
        self._guard.reason = str(state["lost_reason"])
        self._losses.load_state_dict(state["losses"])
        if self._last_update is not None and state["last_update"] is not None:
            self._last_update.load_state_dict(state["last_update"])
        if self._handover is not None and state["handover"] is not None:
            self._handover.load_state_dict(state["handover"])
        self._seconds_before = float(state["seconds"])
        self._started = time.monotonic()
        self._restored_step = None

    def _check_same(self, state: Mapping[str, Any]) -> None:
        missing = sorted(set(self.observations()) - set(state))
        if missing:
            raise InputError(f"This is not what run.state_dict() returned: it lacks {', '.join(missing)}.")
        if state["mode"] != self.mode:
            raise InputError(f"This run's mode is {self.mode!r}, the state's is {state['mode']!r}; bind the same.")
        if (state["stopper"] is None) != (self.stopper is None):
            raise InputError("The state was saved by a run with another stopper; bind the same recipe.")

    def _update_best(self, observation: Observation) -> tuple[int | None, float | None]:
        step, best, value = self.best_step, self.best_value, observation.value
        better = best is None or (value < best if self.mode == "min" else value > best)
        if not better or not math.isfinite(value):
            return step, best
        if self._best is not None:
            with self.evaluating():
                self._best.keep()
        return observation.step, value

    def _stop_reason(self, observation: Observation) -> str:
        decision = Decision(stop=False) if self.stopper is None else self.stopper.observe(observation)
        self._guard.look(observation, self._parameters(), self._losses)
        return decision.reason if decision.stop else self._guard.reason

    def _parameters(self) -> Iterator[Tensor]:
        for group in self.optimizer.param_groups:
            yield from group["params"]

    def _gradient_norm(self) -> Tensor | None:
        if "gradient_norm" not in self.scheduler.required:
            return None
        return gradient_norm(param.grad for param in self._parameters() if param.grad is not None)

    def _last_update_agreement(self) -> Tensor | None:
        return None if self._last_update is None else self._last_update.agreement(self._parameters())

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started
