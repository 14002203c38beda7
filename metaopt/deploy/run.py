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
from metaopt.deploy.recent_losses import RecentLosses
from metaopt.deploy.scheduler import ControllerScheduler
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
        keep_best: device of the copy of the best weights, or None to keep none.
        guard: whether to say stop once nothing can be saved: the metric is not finite, and neither are the weights
            or the last training loss.

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
        keep_best: str | torch.device | None = "cpu",
        guard: bool = True,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.stopper = stopper
        self.mode: Mode = mode
        self._sign = 1.0 if mode == "min" else -1.0
        self._optimizer_signals = optimizer_signals
        self._stopper_signals = stopper_signals
        self._best = None if keep_best is None else BestWeights(model, torch.device(keep_best))
        self._guard = guard
        self._decision = Decision(stop=False)
        self._num_observations = 0
        self._last_observed: int | None = None
        self._observed_before: int | None = None  # the last observation of a loaded state
        self._lost_reason = ""
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

    def step(self, loss: Tensor | None = None) -> None:
        """One training step, after the backward pass: the optimizer, then the controller.

        Args:
            loss: training loss of this batch, 0-d. Pass it always: some optimizers, controllers and stoppers need it.
        """
        detached = None if loss is None else loss.detach()
        if detached is not None:
            self.record_loss(detached)
        if self.scheduler.needs_gradients:
            self.scheduler.prepare(loss=detached, gradient_norm=self._gradient_norm())
        if "loss" in self._optimizer_signals and detached is not None:
            self.optimizer.step(loss=detached)  # type: ignore[call-overload]
        else:
            self.optimizer.step()
        self.scheduler.step()

    def record_loss(self, loss: Tensor) -> None:
        """Note a training loss; `step` does it, and only loops that step by themselves need to.

        Args:
            loss: training loss of a batch, 0-d.
        """
        self._losses.add(loss.detach(), total="train_loss" in self._stopper_signals)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Evaluate inside: averaged weights where the rule has them, and eval mode; afterwards all is as it was.

        After `restore_best` the restored weights stay in place. Buffers are those of training: recompute BatchNorm's
        statistics inside (`torch.optim.swa_utils.update_bn`) if averaged weights need their own.
        """
        restored = self._restored_step == self.num_steps
        outer, self._evaluating = self._evaluating, True
        try:
            with self._eval_mode(), contextlib.nullcontext() if restored else evaluating(self.optimizer):
                yield
        finally:
            self._evaluating = outer

    def observe(self, value: float | Tensor, **signals: float) -> Decision:
        """Take in one validation: feeds the stopper and metric-driven controllers, keeps the best weights.

        Right after `load_state_dict`, the validation of the checkpoint's own step is not counted a second time.

        Args:
            value: the metric, in its own orientation; NaN if it could not be computed.
            **signals: further numbers that the stopper requires. `train_loss` (mean since the last observation, if
                `step` got the loss) and `seconds` are supplied unless given.

        Returns:
            Whether to stop, why, and the best step and value so far.

        Raises:
            InputError: a signal that the stopper requires is missing.
        """
        if self._observed_before == self.num_steps:
            return self._decision
        observation = self._observation(value, signals)
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
        """
        own = {"optimizer": self.optimizer.state_dict(), "scheduler": self.scheduler.state_dict()}
        return {**own, **self.observations()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`, on a run bound from the same recipe to the same model.

        Raises:
            InputError: the state belongs to a run of another mode, controller or stopper.
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
            "lost_reason": self._lost_reason,
            "losses": self._losses.state_dict(),
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
        self._lost_reason = str(state["lost_reason"])
        self._losses.load_state_dict(state["losses"])
        self._seconds_before = float(state["seconds"])
        self._started = time.monotonic()
        self._restored_step = None

    def _check_same(self, state: Mapping[str, Any]) -> None:
        if state.get("mode") != self.mode:
            raise InputError(f"This run's mode is {self.mode!r}, the state's is {state.get('mode')!r}; bind the same.")
        if (state["stopper"] is None) != (self.stopper is None):
            raise InputError("The state was saved by a run with another stopper; bind the same recipe.")

    def _eval_mode(self) -> contextlib.AbstractContextManager[None]:
        return eval_mode(self.model) if isinstance(self.model, nn.Module) else contextlib.nullcontext()

    def _observation(self, value: float | Tensor, signals: Mapping[str, float]) -> Observation:
        try:
            number = float(value.detach() if isinstance(value, Tensor) else value)
        except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor of several numbers
            raise InputError(f"run.observe() takes the metric as one number, got {value!r}.") from None
        known: dict[str, float | None] = {"seconds": self._seconds(), "train_loss": self._losses.mean(), **signals}
        found = {
            key: float(signal) for key, signal in known.items() if signal is not None and self._wants(key, signals)
        }
        missing = sorted(self._stopper_signals - set(found) - {"horizon"})
        if missing:
            hint = ", ".join(f"{key}=..." for key in missing)
            passed = "; for train_loss, run.step(loss) is enough" if "train_loss" in missing else ""
            raise InputError(
                f"The recipe's stopper requires {', '.join(missing)}: call run.observe(value, {hint}){passed}."
            )
        return Observation(self.num_steps, number, self.scheduler.horizon, found)

    def _wants(self, key: str, given: Mapping[str, float]) -> bool:
        return key in given or key in self._stopper_signals

    def _update_best(self, observation: Observation) -> tuple[int | None, float | None]:
        step, best, value = self.best_step, self.best_value, observation.value
        if not math.isfinite(value) or (best is not None and self._sign * value >= self._sign * best):
            return step, best
        if self._best is not None:
            with self.evaluating():
                self._best.keep()
        return observation.step, value

    def _stop_reason(self, observation: Observation) -> str:
        decision = Decision(stop=False) if self.stopper is None else self.stopper.observe(observation)
        if self._guard and not self._lost_reason and not math.isfinite(observation.value):
            self._lost_reason = self._why_lost(observation)
        return decision.reason if decision.stop else self._lost_reason

    def _why_lost(self, observation: Observation) -> str:
        where = f"At step {observation.step} the metric is {observation.value} and"
        if not all(bool(torch.isfinite(tensor).all()) for tensor in self._parameters()):
            return f"{where} the weights are no longer finite: training diverged."
        if not self._losses.finite():
            return f"{where} the training loss is not finite: training diverged."
        return ""

    def _parameters(self) -> Iterator[Tensor]:
        for group in self.optimizer.param_groups:
            yield from (param.detach() for param in group["params"])

    def _gradient_norm(self) -> Tensor | None:
        if "gradient_norm" not in self.scheduler.required:
            return None
        grads = [param.grad for group in self.optimizer.param_groups for param in group["params"]]
        return torch.nn.utils.get_total_norm([grad for grad in grads if grad is not None])

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started
