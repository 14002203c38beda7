"""A recipe in a Keras 3 model on the torch backend."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, final

import keras
from torch import Tensor

from metaopt.contracts import Mode
from metaopt.deploy import Run
from metaopt.errors import InputError, quoted
from metaopt.integrations.training_point import end_fit
from metaopt.recipe import Recipe, as_recipe, check_host


class _Steps:
    """What a model calls of its optimizer."""

    built = True

    def __init__(self, run: Run) -> None:
        self.run = run

    def scale_loss(self, loss: Tensor) -> Tensor:
        self.run.record_loss(loss)
        return loss

    def apply(self, gradients: Any, variables: Any) -> None:
        """The gradients are those of the variables, in place already."""
        self.run.step()


@final
class RecipeCallback(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no annotations
    """Trains a model with a recipe, in place of the optimizer it was compiled with: `callbacks=[RecipeCallback(...)]`.

    Each `fit` binds the recipe anew and ends with the best weights. Validations, and what other callbacks save after
    them, hold averaged weights where the rule has them.

    Args:
        recipe: what to train with: a recipe, its folder, or the name of one that ships with metaopt.
        monitor: entry of an epoch's logs to observe, where the fit has it.
        mode: `"min"` if it is better when lower, `"max"` if when higher.
        restore_best: whether the model ends with its best weights; else with the last, averaged if the rule averages.
        bind: further arguments of `recipe.bind`; Keras tells callbacks no `batch_size`, so pass it.

    Attributes:
        run: the run, from the start of a fit.

    Raises:
        InputError: Keras runs on another backend than torch.
    """

    run: Run

    def __init__(
        self,
        recipe: Recipe | str | Path,
        monitor: str = "val_loss",
        mode: Mode = "min",
        restore_best: bool = True,
        **bind: Any,
    ) -> None:
        super().__init__()
        if keras.backend.backend() != "torch":
            raise InputError(f"Keras runs on {quoted(keras.backend.backend())}: set KERAS_BACKEND=torch before import.")
        self.recipe, self.monitor, self.restore_best = as_recipe(recipe), monitor, restore_best
        check_host(self.recipe, "keras")
        self.bind = {"mode": mode, **bind}
        self.evaluation = ExitStack()
        self.statistics: list[Tensor] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Bind the recipe and take the place of the model's optimizer."""
        steps = self.params["steps"]
        plan = {"total_steps": self.params["epochs"] * steps if steps else None}
        self.run, self.compiled = self.recipe.bind(self.model, **{**plan, **self.bind}), self.model.optimizer
        self.model.optimizer = _Steps(self.run)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Put the training weights back."""
        self.evaluation.close()

    def on_test_begin(self, logs: Any = None) -> None:
        """Put averaged weights in, for a validation of the fit."""
        if isinstance(self.model.optimizer, _Steps) and not self.run.is_evaluating:
            self.evaluation.enter_context(self.run.evaluating())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Observe, and end the fit when the stopper says so."""
        if self.monitor in (logs or {}):
            decision = self.run.observe(logs[self.monitor], epoch=epoch + 1)
            self.model.stop_training = self.model.stop_training or decision.stop
            if decision.best_step == self.run.num_steps:  # Keras holds statistics in variables that do not train
                self.statistics = [variable.value.detach().clone() for variable in self.model.non_trainable_variables]

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the best weights in the model, and its own optimizer."""
        self.evaluation.close()
        end_fit(self.run, restore_best=self.restore_best, monitor=self.monitor)
        if self.restore_best:
            for variable, value in zip(self.model.non_trainable_variables, self.statistics, strict=False):
                variable.assign(value)
        self.model.optimizer = self.compiled
