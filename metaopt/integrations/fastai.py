"""A recipe in a fastai `Learner`."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any, final

from fastai.callback.core import Callback, CancelFitException, CancelStepException
from fastai.callback.fp16 import MixedPrecision

from metaopt.contracts import Mode
from metaopt.deploy import Run
from metaopt.errors import InputError
from metaopt.integrations.training_point import end_fit
from metaopt.recipe import Recipe, as_recipe, check_host


@final
class RecipeCallback(Callback):  # type: ignore[misc]  # fastai has no annotations
    """Trains a learner with a recipe, in place of its own optimizer: `learn.fit(10, cbs=RecipeCallback("default"))`.

    Each fit binds the recipe anew, to what is not frozen, and ends with the best weights. Validations, and what other
    callbacks save after them, hold averaged weights where the rule has them. The learner's rate, weight decay and
    schedule count for nothing.

    Args:
        recipe: what to train with: a recipe, its folder, or the name of one that ships with metaopt.
        monitor: the recorder's value to observe.
        mode: `"min"` if it is better when lower, `"max"` if when higher.
        restore_best: whether the model ends with its best weights; else with the last, averaged if the rule averages.
        bind: further arguments of `recipe.bind`, such as `pretrained=True`.

    Attributes:
        recipe_run: the run, from the start of a fit.
    """

    recipe_run: Run
    order = 64  # after those that save what an epoch made: the stopper ends the fit

    def __init__(
        self,
        recipe: Recipe | str | Path,
        monitor: str = "valid_loss",
        mode: Mode = "min",
        restore_best: bool = True,
        **bind: Any,
    ) -> None:
        self.recipe, self.monitor, self.restore_best = as_recipe(recipe), monitor, restore_best
        check_host(self.recipe, "fastai")
        self.bind = {"mode": mode, **bind}
        self.evaluation = ExitStack()

    def before_fit(self) -> None:
        """Bind the recipe; raises InputError where another callback steps or nothing of this name is recorded."""
        if any(isinstance(callback, MixedPrecision) for callback in self.learn.cbs):
            raise InputError("MixedPrecision steps by a scaler of its own: leave it out, or call learn.to_fp32().")
        if self.monitor not in self.learn.recorder.metric_names[1:]:
            names = list(self.learn.recorder.metric_names[1:])
            raise InputError(f"The recorder has no {self.monitor!r}; it has {names}.")
        batches = self.learn.dls.train
        plan = {"total_steps": self.learn.n_epoch * len(batches), "batch_size": batches.bs}
        self.recipe_run = self.recipe.bind(self.learn.model, **{**plan, **self.bind})

    def before_train(self) -> None:
        """Put the training weights back."""
        self.evaluation.close()

    def before_step(self) -> None:
        """Take the step in place of the learner's optimizer."""
        self.recipe_run.step(self.learn.loss_grad)
        raise CancelStepException

    def before_validate(self) -> None:
        """Put averaged weights in."""
        self.evaluation.enter_context(self.recipe_run.evaluating())

    def after_epoch(self) -> None:
        """Observe; raises CancelFitException when the stopper says stop."""
        recorder = self.learn.recorder
        value = recorder.values[-1][list(recorder.metric_names[1:]).index(self.monitor)]
        if self.recipe_run.observe(value, epoch=self.learn.epoch + 1).stop:
            raise CancelFitException

    def after_fit(self) -> None:
        """Leave the best weights in the model."""
        self.evaluation.close()
        end_fit(self.recipe_run, restore_best=self.restore_best, monitor=self.monitor)
