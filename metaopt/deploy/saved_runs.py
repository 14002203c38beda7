"""The saved state of a run: of its optimizer and scheduler, and of what frameworks do not save."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor
from torch.optim import Optimizer

from metaopt.deploy.gradient_guard import GradientGuard
from metaopt.deploy.held_weights import HeldWeights
from metaopt.deploy.scheduler.scheduler import ControllerScheduler
from metaopt.deploy.sharding.obstacles import flattened_modules
from metaopt.deploy.state.arrangement import reordered
from metaopt.deploy.state.damaged_state import check_entries, checked_count
from metaopt.deploy.state.model_names import ModelNames
from metaopt.deploy.stopping.judgement import Judgement
from metaopt.deploy.training_step import TrainingSteps
from metaopt.errors import InputError, quoted
from metaopt.multitask import ModuleBalance


@final
@dataclass(frozen=True, eq=False)
class SavedRun:
    """Saves the parts of a run, and has them continue from what was saved."""

    optimizer: Optimizer
    scheduler: ControllerScheduler
    judgement: Judgement
    weights: HeldWeights
    steps: TrainingSteps
    guard: GradientGuard | None
    names: ModelNames
    tasks: ModuleBalance | None

    def saved(self) -> dict[str, Any]:
        """See `Run.state_dict`."""
        parts = {"optimizer": self.optimizer.state_dict(), "scheduler": self.scheduler.state_dict()}
        return {**parts, **self.observations(), "shapes": [_shape(param) for param in self._params()]}

    def load(self, state: Mapping[str, Any]) -> None:
        """See `Run.load_state_dict`."""
        self._check_same(state)
        self._check_shapes(state)
        last = state["last_update"]
        last = last and reordered(last, state["optimizer"], self.optimizer.param_groups, self.names)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.load_observations({**state, "last_update": last})

    def observations(self) -> dict[str, Any]:
        """See `Run.observations`."""
        best, signals = self.weights.best, self.steps.signals
        return {
            "num_steps": self.steps.count,
            **self.judgement.state_dict(),
            "best_weights": None if best is None else best.weights,
            "last_update": None if signals is None else signals.state_dict(),
            **({} if self.tasks is None else {"tasks": self.tasks.state_dict()}),
            **({"skipped": None, "handover": None} if self.guard is None else self.guard.state_dict()),
        }

    def load_observations(self, state: Mapping[str, Any]) -> None:
        """See `Run.load_observations`."""
        self._check_same(state)
        self.steps.count = checked_count(state.get("num_steps", self.scheduler.last_epoch))
        self.judgement.load_state_dict(state)
        if self.weights.best is not None:
            self.weights.best.load(state["best_weights"])
        if self.steps.signals is not None:
            self.steps.signals.load_state_dict(state["last_update"])
        if self.guard is not None:
            self.guard.load_state_dict(state, num_steps=self.steps.count)
        if self.tasks is not None:
            self.tasks.load_state_dict(state["tasks"])
        self.weights.train_on()

    def _params(self) -> list[Tensor]:
        return [param for group in self.optimizer.param_groups for param in group["params"]]

    def _check_shapes(self, state: Mapping[str, Any]) -> None:
        """Hold the parameters' shapes against the saved ones: a run that never stepped has no other trace of them."""
        module = self.weights.module
        if "shapes" not in state or (module is not None and any(True for _ in flattened_modules(module))):
            return  # an early run's, or parts of parameters, which are other ones on each number of ranks
        saved = reordered(list(state["shapes"]), state["optimizer"], self.optimizer.param_groups, self.names)
        for place, (param, shape) in enumerate(zip(self._params(), saved, strict=False)):
            if shape != _shape(param):
                name, here = self.names.names.get(param, str(place)), _shape(param)
                raise InputError(
                    f"This state is of another model: its parameter {quoted(name)} has the shape {quoted(shape)}, the "
                    f"one here {quoted(here)}; bind the same model."
                )

    def _check_same(self, state: Mapping[str, Any]) -> None:
        check_entries(state, set(self.observations()) - {"skipped", "num_steps"})  # not saved by early runs
        self.judgement.check(state)
        if self.weights.best is not None:
            self.weights.best.fitted(state["best_weights"])


def _shape(param: Tensor) -> str:
    """As `"64x10"`; empty for a number, which is 0-d."""
    return "x".join(map(str, param.shape))
