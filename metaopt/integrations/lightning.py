"""A recipe in a Lightning `Trainer`."""

import math
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, final

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch.optim import Optimizer

from metaopt.contracts import Mode
from metaopt.deploy import Run
from metaopt.errors import InputError
from metaopt.recipe import Recipe


@final
class RecipeCallback(Callback):
    """Trains a module with a recipe: give it to the `Trainer`, and return `optimizers(self)` from the module.

    Every training step steps the scheduler. Validations see averaged weights where the rule has them, feed the stopper
    and metric-driven controllers, and end the fit when the stopper says so; the best weights are in the module
    afterwards. Checkpoints carry all of it. A new fit's sanity check goes over all validation batches and is the first
    validation, so that a module which training only made worse is handed back as it was; `validate_first` says whether.

    Args:
        recipe: what to train with.
        monitor: the logged validation metric to observe, such as `"val_loss"`.
        mode: `"min"` if it is better when lower, `"max"` if when higher.
        restore_best: whether the module ends with its best weights.
        validate_first: whether the module is validated before the first step. It is not where the trainer validates
            nothing, the fit continues from a checkpoint, or the module logs no such metric in a sanity check.
        bind: further arguments of `recipe.bind`.

    Attributes:
        run: the run, from the start of the fit.

    Example:
        >>> class Classifier(LightningModule):  # doctest: +SKIP
        ...     def configure_optimizers(self):
        ...         return metaopt_callback.optimizers(self)
        >>> metaopt_callback = RecipeCallback(recipe, monitor="val_loss")  # doctest: +SKIP
        >>> Trainer(max_epochs=10, callbacks=[metaopt_callback]).fit(Classifier(), loader, val_loader)  # doctest: +SKIP
    """

    run: Run

    def __init__(
        self,
        recipe: Recipe,
        *,
        monitor: str,
        mode: Mode = "min",
        restore_best: bool = True,
        validate_first: bool = True,
        **bind: Any,
    ) -> None:
        self.recipe = recipe
        self.monitor = monitor
        self.mode: Mode = mode
        self.restore_best = restore_best
        self.validate_first = validate_first
        self._sanity_steps: int | float | None = None
        self._bind = bind
        self._loaded: Mapping[str, Any] | None = None
        self._evaluation = ExitStack()
        self._epoch = 0.0
        self._loss: torch.Tensor | float = 0.0

    def optimizers(self, module: LightningModule) -> Any:
        """Bind the recipe to the module; what its `configure_optimizers` shall return."""
        planned = module.trainer.estimated_stepping_batches  # infinite where neither epochs nor steps have an end
        total_steps = int(planned) if math.isfinite(planned) else None
        self.run = self.recipe.bind(module, total_steps=total_steps, mode=self.mode, **self._bind)
        return {
            "optimizer": self.run.optimizer,
            "lr_scheduler": {"scheduler": self.run.scheduler, "interval": "step"},
        }

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Have the sanity check of a new fit go over all validation batches."""
        if self.validate_first and self._loaded is None:
            self._sanity_steps, trainer.num_sanity_val_steps = trainer.num_sanity_val_steps, math.inf

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Continue from a checkpoint, once Lightning has restored optimizer and scheduler."""
        if self._sanity_steps is not None:
            trainer.num_sanity_val_steps, self._sanity_steps = self._sanity_steps, None
        if self._loaded is not None:
            self.run.load_observations(self._loaded)
            self._loaded = None

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        """Add up the losses of a step's batches: under accumulation Lightning has divided each by their number."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        self._loss = self._loss + loss.detach() / (1.0 if scaler is None else scaler.get_scale())

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Record the step's loss, for optimizers, controllers and stoppers that ask for it."""
        if optimizer is self.run.optimizer and isinstance(self._loss, torch.Tensor):
            self.run.record_loss(self._loss)
            self._loss = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note how many epochs are done, for stoppers that ask for them."""
        self._epoch = trainer.current_epoch + (batch_idx + 1) / trainer.num_training_batches

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put averaged weights in."""
        if trainer.state.fn == "fit":
            self._evaluation.enter_context(self.run.evaluating())

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the training weights back and observe.

        Raises:
            InputError: the module did not log the metric.
        """
        if trainer.state.fn != "fit":
            return
        self._evaluation.close()
        if trainer.sanity_checking and not self._observes_sanity_check(trainer):
            return
        if self.monitor not in trainer.callback_metrics:
            raise InputError(
                f"The module logged no {self.monitor!r} in this validation; call self.log({self.monitor!r}, value) in "
                f"validation_step, or monitor one of {sorted(trainer.callback_metrics)}."
            )
        decision = self.run.observe(trainer.callback_metrics[self.monitor], epoch=self._epoch)
        trainer.should_stop = trainer.should_stop or decision.stop

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the best weights in the module; warn where no finite metric was ever observed."""
        if self.restore_best and self.run.best_step is None:
            warnings.warn(
                f"No finite {self.monitor!r} was ever observed, so the module keeps its last weights.",
                UserWarning,
                stacklevel=2,
            )
        elif self.restore_best:
            self.run.restore_best()

    def state_dict(self) -> dict[str, Any]:
        """What Lightning does not save by itself."""
        return self.run.observations()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Kept until the run is bound."""
        self._loaded = state_dict

    def _observes_sanity_check(self, trainer: Trainer) -> bool:
        return self._sanity_steps is not None and self.monitor in trainer.callback_metrics
