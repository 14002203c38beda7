"""A recipe in a skorch net."""

import warnings
from contextlib import ExitStack, suppress
from typing import Any, final

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.dataset import get_len

from metaopt.contracts import Mode
from metaopt.deploy import Run
from metaopt.errors import InputError
from metaopt.recipe import Recipe


@final
class RecipeCallback(Callback):  # type: ignore[misc]  # skorch has no annotations
    """Trains a net with a recipe, in place of the net's own optimizer.

    Every training batch steps the scheduler. Each epoch's validation sees averaged weights where the rule has them and
    feeds the stopper and metric-driven controllers; the best weights are in the module afterwards. Where the validation
    loss is monitored the first validation comes before the first step, so that a module which training only made worse
    is handed back as it was; `validate_first` says whether.

    Args:
        recipe: what to train with.
        total_steps: planned number of training batches: `max_epochs` times batches an epoch.
        monitor: entry of the net's history to observe.
        mode: `"min"` if it is better when lower, `"max"` if when higher.
        restore_best: whether the module ends with its best weights.
        validate_first: whether the module is validated before the first step, if `monitor` is the validation loss and
            the net has validation data.

    Attributes:
        run: the run, from the start of the fit.

    Example:
        >>> net = NeuralNetClassifier(  # doctest: +SKIP
        ...     Module, max_epochs=10, callbacks=[RecipeCallback(recipe, total_steps=10 * 23)]
        ... )
    """

    run: Run

    def __init__(
        self,
        recipe: Recipe,
        total_steps: int | None = None,
        monitor: str = "valid_loss",
        mode: Mode = "min",
        restore_best: bool = True,
        validate_first: bool = True,
    ) -> None:
        self.recipe = recipe
        self.total_steps = total_steps
        self.monitor = monitor
        self.mode: Mode = mode
        self.restore_best = restore_best
        self.validate_first = validate_first

    def on_train_begin(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Bind the recipe to the net's module."""
        self.run = self.recipe.bind(net.module_, total_steps=self.total_steps, mode=self.mode)
        self.evaluation_ = ExitStack()
        net.optimizer_ = self.run.optimizer

    def on_epoch_begin(
        self, net: NeuralNet, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        """Observe the module as it came, before the first epoch; the net's random numbers stay what they were.

        Raises:
            KeyboardInterrupt: the stopper says stop, as skorch's own `EarlyStopping` does.
        """
        first = self.validate_first and self.monitor == "valid_loss" and self.run.num_steps == 0
        if not first or dataset_valid is None or not len(dataset_valid):
            return
        with suppress(TypeError):  # a module may take parameters of `fit`, which callbacks are not told
            with torch.random.fork_rng(), self.run.evaluating():
                loss = _mean_loss(net, dataset_valid)
            self._observe(net, loss, epoch=0)

    def on_batch_begin(self, net: NeuralNet, batch: Any = None, training: bool = False, **kwargs: Any) -> None:
        """Put averaged weights in before the first validation batch."""
        if not training and not self.run.is_evaluating:
            self.evaluation_.enter_context(self.run.evaluating())

    def on_batch_end(self, net: NeuralNet, batch: Any = None, training: bool = False, **kwargs: Any) -> None:
        """Step the controller."""
        if training:  # the closure that skorch hands to the optimizer has returned the loss
            self.run.scheduler.step()

    def on_epoch_end(self, net: NeuralNet, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any) -> None:
        """Put the training weights back, observe, and end the fit when the stopper says so.

        Raises:
            InputError: the net's history has no such entry.
        """
        self.evaluation_.close()
        if self.monitor not in net.history[-1]:
            raise InputError(f"The net's history has no {self.monitor!r}; it has {sorted(net.history[-1])}.")
        self._observe(net, net.history[-1, self.monitor], epoch=len(net.history))

    def on_train_end(self, net: NeuralNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Leave the best weights in the module; warn where no finite metric was ever observed."""
        self.evaluation_.close()
        if self.restore_best and self.run.best_step is None:
            warnings.warn(
                f"No finite {self.monitor!r} was ever observed, so the module keeps its last weights.",
                UserWarning,
                stacklevel=2,
            )
        elif self.restore_best:
            self.run.restore_best()

    def _observe(self, net: NeuralNet, value: float, epoch: int) -> None:
        decision = self.run.observe(value, epoch=epoch)
        if decision.stop:
            if net.verbose:
                print(decision.reason)
            raise KeyboardInterrupt  # how skorch's own EarlyStopping ends a fit


def _mean_loss(net: NeuralNet, dataset: Any) -> float:
    """Mean loss over batches by their sizes, as the net's history has it."""
    losses, sizes = [], []
    for batch in net.get_iterator(dataset, training=False):
        losses.append(float(net.validation_step(batch)["loss"]))
        sizes.append(get_len(batch[0] if isinstance(batch, tuple | list) else batch))
    return float(np.average(losses, weights=sizes))
